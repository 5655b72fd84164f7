"""Keys of other frameworks, and the key of a study file that means the same."""

from __future__ import annotations

from collections.abc import Mapping

_WORDS = {
    "training.learning_rate": "lr max_lr peak_lr base_lr learning_rate_peak max_learning_rate init_lr",
    "training.batch_size": "global_batch_size train_batch_size total_batch_size bsz batch",
    "training.micro_batch_size": "per_device_train_batch_size device_batch_size microbatch_size micro_batch mbs "
    "train_micro_batch_size_per_gpu gradient_accumulation_steps grad_accum accumulate_grad_batches",
    "training.context": "seq_len seq_length sequence_length max_seq_len max_seq_length block_size context_length n_ctx "
    "max_length max_position_embeddings ctx_len context_size",
    "training.tokens": "max_tokens total_tokens num_tokens train_tokens token_budget n_tokens "
    "max_steps train_steps num_steps total_steps n_steps max_iters train_iters steps iterations "
    "epochs num_epochs max_epochs num_train_epochs",
    "training.warmup_tokens": "warmup warmup_steps num_warmup_steps lr_warmup_steps warmup_iters warmup_ratio "
    "warmup_fraction",
    "training.decay_fraction": "decay decay_steps lr_decay_iters cooldown cooldown_steps cooldown_fraction lr_schedule "
    "lr_scheduler lr_scheduler_type scheduler",
    "training.weight_decay": "wd l2",
    "training.beta1": "adam_beta1 betas",
    "training.beta2": "adam_beta2",
    "training.epsilon": "eps adam_eps adam_epsilon",
    "training.gradient_clip": "grad_clip gradient_clipping max_grad_norm clip_grad gradient_clip_val clip_grad_norm",
    "training.optimizer": "optim optimiser",
    "training.precision": "dtype bf16 fp16 fp8 float8 mixed_precision torch_dtype param_dtype",
    "training.devices": "n_gpus num_gpus gpus world_size num_devices nproc_per_node gpus_per_node n_devices",
    "training.strategy": "fsdp ddp parallelism distributed_backend",
    "training.threads": "num_workers cpus num_threads n_threads num_cpus",
    "training.activation_checkpointing": "gradient_checkpointing recompute activation_recomputation",
    "training.compile": "torch_compile",
    "training.keep_weights": "save_total_limit keep_checkpoints keep_last",
    "size": "model model_size model_name n_layers n_layer num_layers num_hidden_layers d_model hidden_size n_embd dim "
    "width n_heads n_head num_heads num_attention_heads intermediate_size ffn_dim d_ff",
    "seeds": "seed random_seed n_seeds num_seeds",
    "corpus": "dataset data dataset_name train_data",
    "mix": "mixture data_mix mixing weights proportions shares language_mix",
    "checkpoints.every": "save_steps save_interval save_every checkpoint_interval checkpoint_every ckpt_interval "
    "eval_steps eval_interval eval_every",
    "checkpoints.log_spaced": "n_checkpoints num_checkpoints",
    "results": "output_dir out_dir output save_dir log_dir run_dir",
    "evaluation.heldout_tokens": "eval_tokens val_tokens validation_tokens eval_iters",
}
_NOTES = {
    "training.tokens": "steps x batch_size x context",
    "training.warmup_tokens": "in tokens",
    "checkpoints.every": "in tokens",
    "size": "a word such as 152m sets depth and width",
    "seeds": "a list such as [0, 1, 2]",
    "training.micro_batch_size": "accumulation follows from it",
    "training.precision": "32-true, bf16-mixed, float8-mixed or bf16-true",
}
SYNONYMS: Mapping[str, str] = {word: key for key, words in _WORDS.items() for word in words.split()}
"""Dotted key of a run by the word of another framework, in small letters."""


def synonym(word: str, above: str = "") -> str:
    """Return ``"; did you mean 'training.learning_rate'?"`` for a word of another framework, or an empty string.

    Parameters
    ----------
    word : str
        A key that a study file does not know.
    above : str
        Where a run's keys stand from there: ``defaults.`` at the first level of a study.
    """
    key = SYNONYMS.get(word.lower().replace("-", "_"))
    if key is None:
        return ""
    place = key if key == "results" else above + key
    return f"; did you mean '{place}'{f' ({_NOTES[key]})' if key in _NOTES else ''}?"
