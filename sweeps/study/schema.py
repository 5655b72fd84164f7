"""The JSON Schema of study files, made from the configuration's own types: editors complete keys and check values.

``python -m calque.sweeps.study.schema > sweeps/study.schema.json`` writes the file that is shipped.
"""

from __future__ import annotations

import json
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from calque.data.metrics import COUNTED
from calque.data.quantities import parse_count
from calque.data.strict_yaml.sections import alternatives, fields
from calque.data.words.templates import templates
from calque.models.config import training
from calque.models.config.sizes import SIZES
from calque.sweeps.study.bases import BASES
from calque.sweeps.study.keys import described
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.search import SEARCHED, Search

DRAFT = "http://json-schema.org/draft-07/schema#"
"""What the YAML language server reads."""
FILE_NAME = "study.schema.json"
MODELINE = f"# yaml-language-server: $schema={FILE_NAME}"
"""The line of a study file that tells an editor where its schema is: a path relative to the study file."""

CHOICES = {
    "size": tuple(SIZES),
    "training.precision": training.PRECISIONS,
    "training.optimizer": training.OPTIMIZERS,
    "training.parametrisation": training.PARAMETRISATIONS,
    "training.compile": training.COMPILING,
    "training.strategy": training.STRATEGIES,
    "training.activation_checkpointing": training.CHECKPOINTING,
    "training.loss": training.LOSSES,
    "checkpoints.adaptive.metric": tuple(COUNTED),
    "sample.template": tuple(templates()),
    "debian.template": tuple(templates()),
    "text.template": tuple(templates()),
    "hub.template": tuple(templates()),
}
"""Keys that take one of a few words, which their sections check themselves."""
COUNT: JsonSchemaValue = {
    "anyOf": [
        {"type": "integer"},
        {"type": "string", "pattern": r"^\s*[0-9][0-9_]*(\.[0-9]+)?([eE][0-9]+)?\s*[kKmMbBtT]?\s*$"},
    ]
}
"""A count as people write it: ``5M``, ``1.5k``, ``37B`` or a whole number."""
NUMBER: JsonSchemaValue = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": r"^[+-]?([0-9][0-9_]*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"},
    ]
}
"""A number; ``4e-3``, without a point, is text in YAML 1.1."""
BOOLEAN: JsonSchemaValue = {"enum": [True, False, "yes", "no", "on", "off", "Yes", "No", "On", "Off"]}
"""The words are booleans in the YAML 1.1 that studies are read with, but text to a reader of YAML 1.2."""


class _Generator(GenerateJsonSchema):
    """JSON Schema of values as they stand in YAML: counts may be text, yes and no may be words."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        if schema["function"]["function"] is parse_count:
            return dict(COUNT)
        return super().function_before_schema(schema)

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return dict(NUMBER)

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return dict(BOOLEAN)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def study_schema() -> dict[str, Any]:
    """Return the schema, draft 7; what it accepts may still be refused where values contradict each other."""
    made = TypeAdapter(RunConfig).json_schema(ref_template="#/definitions/{model}", schema_generator=_Generator)
    definitions = {name: _section(one) for name, one in made.pop("$defs").items()}
    for kind in _kinds(RunConfig):
        _describe(kind, definitions.get(kind.__name__, made))
    for key, words in CHOICES.items():
        _narrow(key, words, definitions, made)
    run = _section(made)
    for name in ("name", "branch"):  # the key of the run, and what its key `from` says
        run["properties"].pop(name, None)
    seeds = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
    own = {
        "base": {"enum": list(BASES), "description": "The named base that this run differs from."},
        "from": {
            "type": "object",
            "additionalProperties": False,
            "required": ["run", "step"],
            "properties": {"run": {"type": "string"}, "step": {"type": "integer", "minimum": 1}},
            "description": "A checkpoint of another run, from which this run branches (docs/TRAINING.md).",
        },
        "seeds": seeds | {"description": "Runs NAME-s0 and so on, with this init_seed and data_seed."},
    }
    definitions["Defaults"] = run | {
        "description": "Keys of runs, for all runs of the file.",
        "properties": {"seeds": own["seeds"], **run["properties"]},
    }
    definitions["Run"] = run | {"type": ["object", "null"], "properties": {**own, **run["properties"]}}
    return {
        "$schema": DRAFT,
        "title": "Study",
        "description": "A study file of Calque: pretraining runs as differences from a named base.",
        "type": "object",
        "additionalProperties": False,
        "required": ["study", "runs"],
        "properties": {
            "study": {"type": "string", "pattern": r"^[^\s/.][^\s/]*$", "description": "The study's name."},
            "about": {"type": ["string", "null"], "description": "A sentence on what it is for."},
            "base": {"enum": list(BASES), "default": "world-cpu", "description": "The base that runs differ from."},
            "results": {
                "type": ["string", "null"],
                "description": "Folder for results, or an address such as s3://bucket/full; results/NAME if absent.",
            },
            "search": _search(),
            "defaults": {"anyOf": [{"$ref": "#/definitions/Defaults"}, {"type": "null"}]},
            "runs": {
                "type": "object",
                "minProperties": 1,
                "description": "NAME: {...} for every run: the keys in which it differs from base and defaults.",
                "propertyNames": {"pattern": r"^[^\s/.][^\s/]*$"},
                "additionalProperties": {"$ref": "#/definitions/Run"},
            },
        },
        "definitions": definitions,
    }


def _search() -> JsonSchemaValue:
    """Return the schema of the section ``search``."""
    said = described(Search)
    whole = {"type": "integer"}
    ends = {"type": "object", "additionalProperties": False, "required": ["low", "high"]}
    spread = ends | {"properties": {"low": dict(NUMBER), "high": dict(NUMBER)}}
    values: dict[str, JsonSchemaValue] = {
        "metric": {"enum": list(SEARCHED)}, "trials": whole | {"minimum": 2}, "seed": whole | {"minimum": 0},
        "first": dict(COUNT), "reduction": whole | {"minimum": 2},
        "over": {
            "type": "object", "minProperties": 1,
            "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, spread]},
        },
    }  # fmt: skip
    return {
        "type": "object", "additionalProperties": False, "required": ["first", "over"],
        "description": "Trials drawn from one run, of which the worse ones stop early.",
        "properties": {name: {**value, "description": said[name]} for name, value in values.items()},
    }  # fmt: skip


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


def _section(made: dict[str, Any]) -> dict[str, Any]:
    """Return a section's schema without required keys, which a base may set, and without titles."""
    kept = {key: value for key, value in made.items() if key not in ("required", "title")}
    kept["properties"] = {name: _wrapped(dict(value)) for name, value in made["properties"].items()}
    return kept


def _wrapped(value: dict[str, Any]) -> dict[str, Any]:
    """Return a property's schema; beside a ``$ref``, draft 7 reads nothing else."""
    if value.get("default", "") is None:
        del value["default"]
    return {"allOf": [{"$ref": value.pop("$ref")}], **value} if "$ref" in value else value


def _kinds(kind: Any) -> list[Any]:
    """Return a section and the sections below it."""
    inner = (one for of in get_type_hints(kind).values() for one in alternatives(of) if fields(one))
    return [kind, *(each for one in inner for each in _kinds(one))]


def _describe(kind: Any, section: dict[str, Any]) -> None:
    section["description"] = (kind.__doc__ or "").partition("\n")[0].replace("``", "`")
    for name, text in described(kind).items():
        if name in section["properties"]:
            section["properties"][name]["description"] = text


def _narrow(key: str, words: tuple[str, ...], definitions: dict[str, Any], section: dict[str, Any]) -> None:
    *above, name = key.split(".")
    for part in above:
        (target,) = (one for one in _references(section["properties"][part]))
        section = definitions[target]
    section["properties"][name].pop("type")
    section["properties"][name] = {"enum": list(words), **section["properties"][name]}


def _references(value: dict[str, Any]) -> list[str]:
    inside = [one for word in ("allOf", "anyOf") for one in value.get(word, ())]
    return [one["$ref"].rpartition("/")[2] for one in (value, *inside) if "$ref" in one]


if __name__ == "__main__":
    print(schema_text(), end="")
