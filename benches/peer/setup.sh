#!/bin/sh
# Makes the Python environment that the peer benchmark runs PyTorch in: `venv` beside this file. Arguments go to pip, such
# as `--index-url` for builds of PyTorch without CUDA, which are much smaller and measure the same.
set -eu
cd "$(dirname "$0")"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --requirement requirements.txt "$@"
venv/bin/python -c 'import torch, torchvision; print("PyTorch", torch.__version__, "torchvision", torchvision.__version__)'
