"""The models of make_models_golden.py, as torchvision and transformers have them where they do."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import transformers
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class NarrowResNet(ResNet):
    """torchvision's, with another width and stem."""

    def __init__(self, block, blocks, stem, width, classes):
        nn.Module.__init__(self)
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = width, 1, 1, 64
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        else:
            self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
            self.maxpool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        for i, count in enumerate(blocks):
            stage = self._make_layer(block, width << i, count, stride=1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width * block.expansion, classes)


def resnet(depth, stem, width, classes):
    block = Bottleneck if depth == 50 else BasicBlock
    return NarrowResNet(block, [2, 2, 2, 2] if depth == 18 else [3, 4, 6, 3], stem, width, classes)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class MeanViT(torchvision.models.VisionTransformer):
    """torchvision's without a class token: what is classified is the mean of the patches."""

    def __init__(self, **sizes):
        super().__init__(**sizes)
        del self.class_token
        tokens = self.encoder.pos_embedding.shape[1] - 1
        self.encoder.pos_embedding = nn.Parameter(torch.empty(1, tokens, self.hidden_dim))

    def forward(self, x):
        return self.heads(self.encoder(self._process_input(x)).mean(1))


def vit(pool):
    kind = torchvision.models.VisionTransformer if pool == "token" else MeanViT
    return kind(image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32,
                num_classes=5)


def hugging_face(kind, rope=None, theta=10000.0, heads=4, kv_heads=None, eps=1e-5, **more):
    config = getattr(transformers, kind + "Config")(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=heads, num_key_value_heads=kv_heads or heads, rms_norm_eps=eps,
        max_position_embeddings=256, attn_implementation="eager", use_cache=False,
        rope_parameters={"rope_type": "default", "rope_theta": theta, **(rope or {})}, **more)
    return getattr(transformers, kind + "ForCausalLM")(config)


def llama(**options):
    return hugging_face("Llama", tie_word_embeddings=False, **options)


def qwen2():
    return hugging_face("Qwen2", kv_heads=2, tie_word_embeddings=True)


def qwen3():
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    return hugging_face("Qwen3", rope=rope, heads=2, kv_heads=1, head_dim=16,
                        tie_word_embeddings=False)


def mistral(window):
    return hugging_face("Mistral", kv_heads=2, sliding_window=window, head_dim=4,
                        tie_word_embeddings=False)


class LstmLanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(32, 8)
        self.rnn = nn.LSTM(8, 12, 2, batch_first=True)
        self.decoder = nn.Linear(12, 32)

    def forward(self, tokens):
        return self.decoder(self.rnn(self.encoder(tokens))[0])


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(36, 12)
        self.fc21 = nn.Linear(12, 3)
        self.fc22 = nn.Linear(12, 3)
        self.fc3 = nn.Linear(3, 12)
        self.fc4 = nn.Linear(12, 36)

    def encode(self, x):
        hidden = F.relu(self.fc1(x.flatten(1)))
        return self.fc21(hidden), self.fc22(hidden)

    def forward(self, x):
        return self.fc4(F.relu(self.fc3(self.encode(x)[0])))

    def golden_loss(self, x, _):
        mean, log_variance = self.encode(x)
        off = F.binary_cross_entropy_with_logits(self(x), x.flatten(1), reduction="sum")
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return (off + 2.0 * divergence) / x.shape[0]


class UnetBlock(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class UnetUp(nn.Module):
    def __init__(self, before):
        super().__init__()
        self.up = nn.ConvTranspose2d(before, before // 2, 2, stride=2)
        self.merge = UnetBlock(before, before // 2)

    def forward(self, x, skipped):
        return self.merge(torch.cat([skipped, self.up(x)], 1))


class Unet(nn.Module):
    def __init__(self, channels=1, width=4, levels=2):
        super().__init__()
        sizes = [channels] + [width << i for i in range(levels + 1)]
        self.down = nn.ModuleList(UnetBlock(sizes[i], sizes[i + 1]) for i in range(levels))
        self.middle = UnetBlock(sizes[levels], sizes[levels + 1])
        back = [width << i for i in reversed(range(levels))]
        self.up = nn.ModuleList(UnetUp(2 * w) for w in back)
        self.head = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        skipped = []
        for block in self.down:
            skipped.append(block(x))
            x = F.max_pool2d(skipped[-1], 2)
        x = self.middle(x)
        for up in self.up:
            x = up(x, skipped.pop())
        return self.head(x)

    def golden_loss(self, x, _):
        return F.mse_loss(self(x), x)


def moe(experts, top_k, balance):
    model = hugging_face("Mixtral", kv_heads=2, num_local_experts=experts, num_experts_per_tok=top_k,
                         tie_word_embeddings=False, output_router_logits=True)

    def golden_loss(x, targets):
        out = model(x)
        return F.cross_entropy(out.logits.flatten(0, -2), targets.flatten()) + balance * out.aux_loss

    model.golden_loss = golden_loss
    return model
