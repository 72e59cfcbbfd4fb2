//! Feature frames to risks and rationales: model bundles, ONNX Runtime, the decoder, the fact checker, the template.
