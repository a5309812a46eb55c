"""Export of models to other runtimes: ONNX, OpenVINO, torch.export, Hugging Face."""
