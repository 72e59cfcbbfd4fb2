"""Test vectors: Hugging Face decoders the engine's runtime must run token for token.

    python -m bedwatch_training.hf_decoders --out ../tests-data/hf-decoders --narrator ../models/narrator-v2

Tiny models of the Llama, Qwen2 and Qwen3 architectures with random weights
(seeded) are exported in the usual layout: `input_ids [batch, sequence]`,
`attention_mask [batch, past + sequence]`, `position_ids [batch, sequence]`,
`past_key_values.{i}.key|value [batch, kv_heads, past, head_size]` ->
`logits [batch, sequence, vocabulary]`, `present.{i}.key|value`. The expected
tokens come from transformers' own greedy `generate` on the PyTorch model, not
from the exported file. Needs `transformers`; no other step does.

`speller.onnx` and `speller.json` are a Llama with random weights over a small
byte-level BPE, trained on a narrator's words: constrained decoding has to
spell those words with it. The rows of the end and the full stop are enlarged,
so that its texts come to an end.
"""

import argparse
import json
from pathlib import Path

import onnxruntime
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from . import SEED
from .bundle import export, sha256, write_json

NEW_TOKENS = 32
PROMPT_LENGTHS = (1, 5, 17, 40)
# Weights far larger than usual: the logits of tiny models with small weights are too close to tell apart.
COMMON = dict(
    vocab_size=257, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, initializer_range=0.35, bos_token_id=1, eos_token_id=None, pad_token_id=0, attn_implementation="eager",
)  # fmt: skip

# Name -> (configuration, class, whether the file has a position_ids input). All share keys and
# values among heads; Qwen2 has biases; Qwen3 normalises keys and has heads wider than hidden / heads.
MODELS = {
    "llama": (LlamaConfig(**COMMON), LlamaForCausalLM, False),
    "qwen2": (Qwen2Config(**COMMON, tie_word_embeddings=True), Qwen2ForCausalLM, True),
    "qwen3": (Qwen3Config(**COMMON | {"num_key_value_heads": 1}, head_dim=12), Qwen3ForCausalLM, True),
}


class Layout(torch.nn.Module):
    """A transformers decoder with flat inputs and outputs in Hugging Face's ONNX order."""

    def __init__(self, model, positions: bool):
        super().__init__()
        self.model, self.positions = model, positions

    def forward(self, input_ids, attention_mask, *rest):
        if self.positions:
            position_ids, *past = rest
        else:
            past = list(rest)
            position_ids = (attention_mask.cumsum(-1) - 1)[:, -input_ids.shape[1] :]
        cache = DynamicCache(config=None)
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        total, width = attention_mask.shape[1], input_ids.shape[1]
        # Query at total - width + i sees keys up to itself that the mask keeps; 0 or -inf, [batch, 1, width, total].
        seen = torch.arange(total)[None, :] <= torch.arange(total)[-width:, None]
        seen = seen[None, None] & (attention_mask[:, None, None, :] > 0)
        mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
        out = self.model(input_ids=input_ids, attention_mask=mask, position_ids=position_ids, past_key_values=cache, use_cache=True)
        present = [t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)]
        return (out.logits, *present)


def build(config, kind):
    """The seeded random model, float32, in evaluation mode; biases and norms random as well."""
    torch.manual_seed(SEED)
    model = kind(config).eval().float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.2)
    return model


def export_decoder(model, positions: bool, path: Path):
    """Traces with a past of three; returns the names of inputs and outputs."""
    c = model.config
    size = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    cache = [f"{i}.{k}" for i in range(c.num_hidden_layers) for k in ("key", "value")]
    inputs = ["input_ids", "attention_mask"] + ["position_ids"] * positions + [f"past_key_values.{n}" for n in cache]
    outputs = ["logits"] + [f"present.{n}" for n in cache]
    axes = {n: {0: "batch", 1: "sequence"} for n in ("input_ids", "logits")} | {"attention_mask": {0: "batch", 1: "total"}}
    if positions:
        axes["position_ids"] = {0: "batch", 1: "sequence"}
    for name in cache:
        axes[f"past_key_values.{name}"] = {0: "batch", 2: "past"}
        axes[f"present.{name}"] = {0: "batch", 2: "total"}
    example = [torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 7, dtype=torch.long)]
    example += [torch.arange(3, 7)[None]] * positions + [torch.randn(1, c.num_key_value_heads, 3, size) for _ in cache]
    export(Layout(model, positions), path, example, inputs, outputs, axes)
    return inputs, outputs


def greedy(model, prompt: list[int]) -> tuple[list[int], float]:
    """transformers' greedy continuation, and the smallest lead of the best logit over the second."""
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=1, max_new_tokens=NEW_TOKENS,
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    margins = [float(top[0] - top[1]) for top in (score[0].topk(2).values for score in out.scores)]
    return out.sequences[0, len(prompt) :].tolist(), min(margins)


def spelling(narrator: Path) -> Tokenizer:
    """A byte-level BPE of 512 tokens (end token 0) over the words and prompt tokens of a narrator bundle."""
    words = json.loads((narrator / "tokenizer.json").read_text())["model"]["vocab"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=["<|end|>"], initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator([" ".join(sorted(words))] * 3, trainer)
    return tokenizer


def speller(narrator: Path, out: Path):
    """speller.json and speller.onnx."""
    tokenizer = spelling(narrator)
    tokenizer.save(str(out / "speller.json"))
    config = LlamaConfig(**COMMON | {"vocab_size": tokenizer.get_vocab_size(), "hidden_size": 24, "intermediate_size": 48, "max_position_embeddings": 2048})
    model = build(config, LlamaForCausalLM)
    with torch.no_grad():
        model.lm_head.weight[0] *= 20
        model.lm_head.weight[tokenizer.token_to_id(".")] *= 10
    export_decoder(model, True, out / "speller.onnx")
    print(f"speller: {(out / 'speller.onnx').stat().st_size} bytes, {tokenizer.get_vocab_size()} tokens")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--narrator", type=Path, required=True, help="the narrator bundle whose words the speller spells")
    args = parser.parse_args()
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    speller(args.narrator, out)
    vectors = {"transformers": transformers.__version__, "torch": torch.__version__, "seed": SEED, "models": {}}
    for name, (config, kind, positions) in MODELS.items():
        model, path = build(config, kind), out / f"{name}.onnx"
        export_decoder(model, positions, path)
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        draw = torch.Generator().manual_seed(SEED)
        cases, least = [], float("inf")
        for length in PROMPT_LENGTHS:
            prompt = torch.randint(2, config.vocab_size, (length,), generator=draw).tolist()
            tokens, margin = greedy(model, prompt)
            least = min(least, margin)
            cases.append({"prompt": prompt, "tokens": tokens})
        assert least > 1e-3, f"{name}: two tokens are {least} apart; another seed is needed"
        vectors["models"][name] = {
            "sha256": sha256(path), "layers": config.num_hidden_layers, "kv_heads": config.num_key_value_heads,
            "head_size": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
            "vocabulary": config.vocab_size, "smallest_margin": round(least, 5), "cases": cases,
        }  # fmt: skip
        distinct = len({t for case in cases for t in case["tokens"]})
        print(f"{name}: {path.stat().st_size} bytes, {len(cases)} prompts, {distinct} distinct tokens, smallest margin {least:.4f}")
    write_json(out / "vectors.json", vectors)


if __name__ == "__main__":
    main()
