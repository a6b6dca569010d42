# SPDX-License-Identifier: Apache-2.0
"""Whole training steps of GPT-2 in PyTorch on random tokens, for bench/trainer.sh.

It describes itself in a line, then reads lines of "STEPS …" and answers each with
    seconds, CPU seconds, loss (nats per token), largest resident set (bytes), 0, 0
until its input ends: see bench/trainer_step.c.

Written as PyTorch's users write it: pre-norm blocks, one map for queries, keys and values, tanh
GELU, tied head, autocast for bf16, AdamW, gradients clipped. PyTorch has several ways to do attention
and AdamW; with "auto" each is tried and the fastest one taken.
"""
import argparse
import contextlib
import math
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def attention_by_hand(q, k, v, mask):
    scores = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(q.size(-1)))
    t = q.size(-2)
    return F.softmax(scores.masked_fill(mask[:t, :t], float("-inf")), dim=-1) @ v


def attention_of_torch(q, k, v, mask):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return F._scaled_dot_product_attention(q, k, v, is_causal=True)[0]


ATTENTIONS = {"hand": attention_by_hand, "fused": attention_of_torch}


class Block(nn.Module):
    def __init__(self, width, heads, context):
        super().__init__()
        self.heads, self.attention = heads, attention_by_hand
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        mask = torch.ones(context, context, dtype=torch.bool).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (
            part.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).split(c, dim=2)
        )
        y = self.attention(q, k, v, self.mask).transpose(1, 2).reshape(b, t, c)
        x = x + self.mix(y)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, layers, heads, width, context, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads, context) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(p)
            elif p.dim() == 2:
                residual = name.endswith(("mix.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.size(1)))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def loss(self, ids, targets, reduction="mean"):
        logits = self(ids)
        return F.cross_entropy(
            logits.view(-1, logits.size(-1)), targets.reshape(-1), reduction=reduction
        )

    def set_attention(self, name):
        for block in self.blocks:
            block.attention = ATTENTIONS[name]


def adamw(model, rate, foreach, decay=0.1):
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), eps=1e-8, foreach=foreach)


def autocast(dtype):
    if dtype == "f32":
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)


def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))


def blas():
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line and ".so" in line}
    names = sorted({os.path.realpath(f) for f in files if os.path.basename(f).startswith("lib")})
    return ",".join(os.path.basename(n) for n in names if "openblas" in n or "libblas" in n)


class Training:
    def __init__(self, o):
        self.model = GPT2(o.layers, o.heads, o.width, o.context, o.vocabulary)
        self.dtype, self.foreach = o.dtype, False
        tokens = torch.randint(0, o.vocabulary, (o.batch * o.context + 1,))
        self.inputs = tokens[:-1].view(o.batch, o.context)
        self.targets = tokens[1:].view(o.batch, o.context)
        self.optimizer = None

    def use(self, attention, foreach):
        self.model.set_attention(attention)
        self.optimizer = adamw(self.model, 3e-4, foreach)

    def gradients(self):
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.dtype):
            loss = self.model.loss(self.inputs, self.targets)
        loss.backward()
        return loss

    def update(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def steps(self, n):
        for _ in range(n):
            loss = self.gradients()
            self.update()
        return loss.item()


def seconds_of(work):
    work()
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def fastest(training, o):
    """The attention and the AdamW that take least time here."""
    attention, foreach = o.attention, o.adamw
    if attention == "auto":
        times = {}
        for name in ATTENTIONS:
            training.use(name, False)
            times[name] = seconds_of(training.gradients)
        attention = min(times, key=times.get)
    if foreach == "auto":
        times = {}
        for name in ("foreach", "loop"):
            training.use(attention, name == "foreach")
            training.gradients()
            times[name] = seconds_of(training.update)
        foreach = min(times, key=times.get)
    return attention, foreach


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("layers", 6), ("heads", 6), ("width", 384), ("vocabulary", 8192),
                        ("context", 256), ("batch", 4), ("threads", os.cpu_count())):
        p.add_argument("--" + name, type=int, default=value)
    p.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    p.add_argument("--attention", choices=("auto", *ATTENTIONS), default="auto")
    p.add_argument("--adamw", choices=("auto", "foreach", "loop"), default="auto")
    p.add_argument("--choose", action="store_true", help="say what is fastest, and end")
    return p.parse_args()


def main():
    o = parse()
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    training = Training(o)
    attention, foreach = fastest(training, o)
    if o.choose:
        print(f"--attention {attention} --adamw {foreach}")
        return
    training.use(attention, foreach == "foreach")
    training.gradients()
    parameters = sum(p.numel() for p in training.model.parameters())
    capability = os.environ.get("ATEN_CPU_CAPABILITY", "usual")
    print(f"torch={torch.__version__} blas={blas()} capability={capability}"
          f" threads={torch.get_num_threads()} parameters={parameters}"
          f" attention={attention} adamw={foreach}", flush=True)
    for line in sys.stdin:
        begin, cpu = time.perf_counter(), time.process_time()
        loss = training.steps(int(line.split()[0]))
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        print(f"{seconds:.6f} {cpu:.6f} {loss:.5f} {memory('VmHWM:')} 0 0", flush=True)


if __name__ == "__main__":
    main()
