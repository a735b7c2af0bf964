"""How good a bundle is on a recording with labels: the real pipeline's predictions, judged. Knows no model library."""
