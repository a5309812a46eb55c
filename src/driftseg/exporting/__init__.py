"""Models leave for other runtimes: ONNX, OpenVINO, torch.export, Hugging Face."""
