# SPDX-License-Identifier: Apache-2.0
"""PyTorch and AdamW on wetmill's shards, for a time or a number of steps; for bench/quality.sh.

The model, its optimiser and its bf16 are those of bench/trainer_peer.py. Windows, their validation
and bits per byte are wetmill's: window w holds inputs w·T … w·T + T − 1, each epoch visits every
window once in random order, and every validation token but the first is scored once. The learning
rate warms up over 100 steps (at most a fifth) and falls by a cosine to a tenth at the end. Only steps
count as time: neither start nor validation does.

Prints one JSON object: steps, tokens, seconds, bits_per_byte of the whole validation split.
"""
import argparse
import json
import math
import os
import sys
import time
from array import array

import torch
import torch.nn as nn

from trainer_peer import ATTENTIONS, GPT2, adamw, autocast


class Shards:
    def __init__(self, path):
        self.path = path
        with open(os.path.join(path, "shards.json")) as f:
            self.info = json.load(f)
        self.vocabulary = self.info["vocabulary"]
        with open(os.path.join(path, "tokenizer.json")) as f:
            tokenizer = json.load(f)
        # Byte-level BPE spells each byte as one character; special tokens stand for no text.
        self.lengths = torch.zeros(self.vocabulary, dtype=torch.long)
        for token, number in tokenizer["model"]["vocab"].items():
            self.lengths[number] = len(token)
        for special in tokenizer["added_tokens"]:
            self.lengths[special["id"]] = 0

    def tokens(self, split):
        wide = self.info["token_type"] != "uint16"
        values = array("i" if wide else "H")
        for shard in self.info["splits"][split]["shards"]:
            path = os.path.join(self.path, shard["name"] + ".bin")
            with open(path, "rb") as f:
                values.fromfile(f, os.path.getsize(path) // values.itemsize)
        if sys.byteorder == "big":
            values.byteswap()
        # torch has no uint16: the same bits, made positive again in rows()
        return torch.frombuffer(values, dtype=torch.int32 if wide else torch.int16)


def rows(tokens, windows, context):
    at = windows.view(-1, 1) * context + torch.arange(context + 1)
    ids = tokens[at].long()
    if tokens.dtype == torch.int16:
        ids &= 0xFFFF
    return ids[:, :-1], ids[:, 1:]


def orders(n, batch, generator):
    """Batches of windows, epoch after epoch, without a seam."""
    left = torch.randperm(n, generator=generator)
    while True:
        while len(left) < batch:
            left = torch.cat([left, torch.randperm(n, generator=generator)])
        yield left[:batch]
        left = left[batch:]


@torch.no_grad()
def bits_per_byte(model, tokens, lengths, o, most):
    scored = len(tokens) - 1
    if most and most < scored:
        scored = max(most // o.context, 1) * o.context
    whole, rest = divmod(scored, o.context)
    nats, n_bytes = 0.0, 0
    batches = [(w, o.context) for w in torch.arange(whole).split(o.batch)]
    if rest:
        # the rest is one short window: a stream of its own
        batches.append((torch.zeros(1, dtype=torch.long), rest))
    for windows, length in batches:
        stream = tokens if length == o.context else tokens[whole * o.context :]
        inputs, targets = rows(stream, windows, length)
        with autocast(o.dtype):
            nats += model.loss(inputs, targets, reduction="sum").item()
        n_bytes += lengths[targets].sum().item()
    return nats / (math.log(2) * n_bytes), n_bytes


def rate(o, step, share):
    """Of step 1 …; share: how much of the budget behind the warm-up is spent."""
    if step <= o.warmup:
        return o.learning_rate * step / o.warmup
    return o.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(share, 1))))


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("shards")
    p.add_argument("--seconds", help="of training: 1800, 30m, 1h")
    p.add_argument("--steps", type=int, default=0)
    for name, value in (("layers", 6), ("heads", 6), ("width", 384), ("context", 256),
                        ("batch", 16), ("warmup", 100), ("seed", 1), ("threads", os.cpu_count()),
                        ("validation-tokens", 65536)):
        p.add_argument("--" + name, type=int, default=value)
    p.add_argument("--learning-rate", type=float, default=1e-3)
    p.add_argument("--dtype", choices=("f32", "bf16"), default="bf16")
    p.add_argument("--attention", choices=tuple(ATTENTIONS), default="hand")
    p.add_argument("--points", type=int, default=20, help="validations on the way")
    p.add_argument("--metrics", default=os.devnull, help="a line of JSON for each of them")
    o = p.parse_args()
    if o.seconds:
        unit = {"s": 1, "m": 60, "h": 3600}.get(o.seconds[-1])
        o.seconds = float(o.seconds[:-1]) * unit if unit else float(o.seconds)
    if bool(o.seconds) == bool(o.steps):
        p.error("either --seconds or --steps")
    if o.steps:
        o.warmup = min(o.warmup, o.steps // 5)
    return o


def main():
    o = parse()
    torch.manual_seed(o.seed)
    torch.set_num_threads(o.threads)
    shards = Shards(o.shards)
    train, validation = shards.tokens("train"), shards.tokens("validation")
    model = GPT2(o.layers, o.heads, o.width, o.context, shards.vocabulary)
    model.set_attention(o.attention)
    optimizer = adamw(model, o.learning_rate, foreach=True)
    batches = orders((len(train) - 1) // o.context, o.batch, torch.Generator().manual_seed(o.seed))
    step, seconds, point, warm = 0, 0.0, 1, 0.0
    with open(o.metrics, "w") as metrics:
        while True:
            done = step / o.steps if o.steps else seconds / o.seconds
            if done >= point / o.points or done >= 1:
                point = int(done * o.points) + 1
                bits, _ = bits_per_byte(model, validation, shards.lengths, o, o.validation_tokens)
                line = {"step": step, "tokens": step * o.batch * o.context,
                        "seconds": round(seconds, 2), "loss": loss.item(),
                        "validation_bits_per_byte": bits}
                print(json.dumps(line), file=metrics, flush=True)
            if done >= 1:
                break
            begin = time.perf_counter()
            if step == o.warmup:
                warm = done
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = rate(o, step, (done - warm) / (1 - warm))
            inputs, targets = rows(train, next(batches), o.context)
            optimizer.zero_grad(set_to_none=True)
            with autocast(o.dtype):
                loss = model.loss(inputs, targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            seconds += time.perf_counter() - begin
    bits, scored = bits_per_byte(model, validation, shards.lengths, o, 0)
    print(json.dumps({"torch": torch.__version__, "dtype": o.dtype, "steps": step,
                      "tokens": step * o.batch * o.context, "seconds": round(seconds, 2),
                      "scored_bytes": scored, "bits_per_byte": bits}))


if __name__ == "__main__":
    main()
