"""What install/bootstrap.py does once it runs on a Python new enough: standard library only, no package of ours.

machine      what this computer is
torch_build  which build of PyTorch suits it, and where to try for it
failures     what went wrong, as a sentence and a remedy
console      steps, times and a sign of life on a terminal or in a log
environment  the .venv folder: its state, its making, what pip puts into it
preparation  the order of it all: nothing, or the missing steps
krita        the plugin into Krita's folders, and out again
cli          the commands
"""
