"""A tiny Llama with random weights as GGUF, for the end-to-end test against a llama.cpp server.

    python -m bedwatch_training.gguf_model --out /tmp/random.gguf

What it says is noise: the engine's checker has to refuse it. Its tokenizer is
`tests-data/hf-decoders/speller.json` (byte-level BPE, 512 tokens, end token 0);
the row of the end token is enlarged, so that some texts come to an end. Needs
the `gguf` package; no other step does.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np

from . import SEED

HIDDEN, HEADS, KV_HEADS, LAYERS, FEED_FORWARD, CONTEXT = 128, 4, 2, 2, 256, 4096
SPELLER = Path(__file__).parents[2] / "tests-data/hf-decoders/speller.json"


def write(out: Path):
    """Writes the model; float32 throughout."""
    bpe = json.loads(SPELLER.read_text())["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].get)
    draw = np.random.default_rng(SEED)

    def weights(*shape) -> np.ndarray:
        return draw.normal(0.0, 1.0 / np.sqrt(shape[-1]), shape).astype(np.float32)

    w = gguf.GGUFWriter(out, "llama")
    w.add_name("random")
    w.add_context_length(CONTEXT)
    w.add_embedding_length(HIDDEN)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(FEED_FORWARD)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(HIDDEN // HEADS)
    w.add_vocab_size(len(tokens))
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(tokens) - 1))
    w.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in bpe["merges"]])
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.add_add_bos_token(False)
    w.add_tensor("token_embd.weight", weights(len(tokens), HIDDEN) * np.float32(np.sqrt(HIDDEN)))
    kv = HIDDEN // HEADS * KV_HEADS
    for layer in range(LAYERS):
        for name, shape in (("attn_q", (HIDDEN, HIDDEN)), ("attn_k", (kv, HIDDEN)), ("attn_v", (kv, HIDDEN)), ("attn_output", (HIDDEN, HIDDEN)),
                            ("ffn_gate", (FEED_FORWARD, HIDDEN)), ("ffn_up", (FEED_FORWARD, HIDDEN)), ("ffn_down", (HIDDEN, FEED_FORWARD))):  # fmt: skip
            w.add_tensor(f"blk.{layer}.{name}.weight", weights(*shape))
        for name in ("attn_norm", "ffn_norm"):
            w.add_tensor(f"blk.{layer}.{name}.weight", np.ones(HIDDEN, dtype=np.float32))
    w.add_tensor("output_norm.weight", np.ones(HIDDEN, dtype=np.float32))
    head = weights(len(tokens), HIDDEN) * np.float32(np.sqrt(HIDDEN) / 4)
    head[0] *= 2
    w.add_tensor("output.weight", head)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
