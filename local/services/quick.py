"""Shortcuts past what dominates moto's time per request: all give the same answers as the long way.

A job of one chunk makes about 35 requests to DynamoDB and one execution. moto walks the service model for each
attribute of an answer whose shape is known already, parses the same definition anew for each execution, and builds
a parser, for a millisecond, for each path that a state looks at.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonpath_ng.ext.parser
import jsonpath_ng.parser
from antlr4 import ParserRuleContext  # type: ignore[import-untyped,unused-ignore]
from moto.dynamodb.responses import DynamoResult
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path

_CONTENT_TYPE = "application/x-amz-json-1.0"
_execute_result = DynamoResult.execute_result
_parse = AmazonStateLanguageParser.parse
_parse_path = functools.lru_cache(maxsize=1024)(jsonpath_ng.ext.parser.parse)
_parse_result_path = functools.lru_cache(maxsize=1024)(jsonpath_ng.parser.parse)


def install() -> None:
    """Puts the shortcuts in place; harmless when they are there already."""
    DynamoResult.execute_result = _answer  # type: ignore[assignment,method-assign]
    AmazonStateLanguageParser.parse = staticmethod(_program)  # type: ignore[method-assign]
    paths: Any = json_path
    paths.parse = _parse_path
    paths = result_path
    paths.parse = _parse_result_path


def _answer(self: DynamoResult, context: Any) -> Any:
    """A successful answer is plain JSON already; errors keep their shape."""
    result = self.result
    if not isinstance(result, dict):
        return _execute_result(self, context)
    shown = {key: value for key, value in result.items() if value is not None}
    return 200, {"Content-Type": _CONTENT_TYPE}, json.dumps(shown, default=str)


@functools.lru_cache(maxsize=64)
def _tree(definition: str) -> ParserRuleContext:
    return _parse(definition)[1]


def _program(definition: str) -> tuple[EvalComponent, ParserRuleContext]:
    """A program of its own for each execution, from a syntax tree that all of them share."""
    tree = _tree(definition)
    return Preprocessor().visit(tree), tree
