"""From a Keras model to ONNX, with an input of lengths in place of masks. Knows Keras by its objects only and never imports it.

What is translated is what the model does to a window alone, without padding: a sequence is its first `lengths` steps, what
lies beyond them is undefined, and a layer that mixes steps looks at the real ones only. So no layer needs to know whether Keras
would have passed it a mask; that the model keeps its mask where it must is proven on Keras (`pipeline.scoring.probe`).

The same walk and table make a second graph of a model that only looks back, for windows that grow: its recurrent operators go on
with the states they were left with, and whatever else is done to a window's last output is done to the output after each step.
"""
