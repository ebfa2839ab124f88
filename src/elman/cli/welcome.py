"""What ``elman`` alone says; apart, for it is said before anything large is loaded."""

__all__ = ["WELCOME"]

WELCOME = """\
elman: recurrent neural networks for sequences in files

  data      elman data reviews.csv                (what is in it, what is wrong)
  train     elman train reviews.csv --from text:review --to label:sentiment
            elman train demand.csv --from series:load --to future:24 --time date
            elman train book.txt --from text.char --to next
  evaluate  elman evaluate runs/reviews-1 new.csv
  predict   elman predict runs/reviews-1 new.csv --out predicted.csv
  look back elman show runs/reviews-1                 (scores, errors, files)
  go deeper elman compare, elman tune              (other nets, other settings)

  see it work in two minutes:   elman demo
  every option of a command:    elman train --help"""
