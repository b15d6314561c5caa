"""Shortcuts past what dominates moto's time per request: all give the same answers as the long way.

A job of one chunk makes about 35 requests to DynamoDB and one execution, each further chunk seven requests and two
invocations. For every one of them moto lists its own folder, looks through its own methods, builds parsers for
definitions and paths that it has seen before, and copies JSON by the general way.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Hashable
from types import SimpleNamespace
from typing import Any, cast

import jsonpath_ng.ext.parser
import jsonpath_ng.parser
import moto.backends
import moto.core.responses
import moto.core.utils
from antlr4 import ParserRuleContext  # type: ignore[import-untyped,unused-ignore]
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import Item, LimitedSizeDict
from moto.dynamodb.parsing import ast_nodes, expressions
from moto.dynamodb.parsing.executors import UpdateExpressionExecutor
from moto.dynamodb.parsing.validators import ActionCountValidator
from moto.dynamodb.responses import DynamoResult
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_map import state_map
from moto.stepfunctions.parser.asl.eval import states
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path

_CONTENT_TYPE = "application/x-amz-json-1.0"
# moto's own limit, in bytes.
_LARGEST_ITEM = 405_000
_ATOMS = (str, int, float, bool, type(None))

_nodes: Any = ast_nodes
_update_parser: Any = expressions.UpdateExpressionParser  # type: ignore[attr-defined]
_execute_result = DynamoResult.execute_result
_parse = AmazonStateLanguageParser.parse
_make_item = Item.__init__
_execute_update = UpdateExpressionExecutor.execute


_list_modules = moto.backends.list_of_moto_modules
_method_names = functools.cache(moto.core.utils.method_names_from_class)
_parse_update = functools.lru_cache(maxsize=1024)(_update_parser.make)
_parse_path = functools.lru_cache(maxsize=1024)(jsonpath_ng.ext.parser.parse)
_parse_result_path = functools.lru_cache(maxsize=1024)(jsonpath_ng.parser.parse)


def install() -> None:
    """Puts the shortcuts in place; harmless when they are there already."""
    DynamoResult.execute_result = _answer  # type: ignore[assignment,method-assign]
    Item.__init__ = _make_measured  # type: ignore[method-assign]
    UpdateExpressionExecutor.execute = _update_measured  # type: ignore[method-assign]
    LimitedSizeDict.__setitem__ = dict.__setitem__  # type: ignore[method-assign]
    _nodes.DepthFirstTraverser.traverse = _traverse
    # Whoever changes a tree copies it before.
    _set(_update_parser, make=staticmethod(_parse_update))
    # The whole has each kind of clause at most once, so its parts need not be counted.
    _set(ActionCountValidator, traverse=ActionCountValidator.verify_action_counts)
    AmazonStateLanguageParser.parse = staticmethod(_program)  # type: ignore[method-assign]
    _set(json_path, parse=_parse_path)
    _set(result_path, parse=_parse_result_path)
    for module in (states, string_expression, execute_state, state_map, result_path):
        _set(module, copy=SimpleNamespace(deepcopy=copied))
    _set(moto.backends, list_of_moto_modules=_moto_modules)
    _set(moto.core.responses, method_names_from_class=_method_names)


@functools.cache
def _moto_modules() -> tuple[str, ...]:
    return tuple(_list_modules())


def _set(module: Any, **names: object) -> None:
    for name, value in names.items():
        setattr(module, name, value)


def copied(value: Any) -> Any:
    """A deep copy; what JSON is made of is copied without asking how."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return {key: copied(each) for key, each in value.items()}
    if kind is list:
        return [copied(each) for each in value]
    return copy.deepcopy(value)


def _make_measured(self: Item, *args: Any, **kwargs: Any) -> None:
    """An item's size is taken once, when all its attributes are there, and not with each of them."""
    _make_item(self, *args, **kwargs)
    _measure(self)


def _update_measured(self: UpdateExpressionExecutor, node: Any = None) -> None:
    _execute_update(self, node)
    if node is None:
        # What an update that goes too far has changed is put back by the caller.
        _measure(self.item)


def _measure(item: Item) -> None:
    if item.size() > _LARGEST_ITEM:
        raise ItemSizeTooLarge


def _traverse(self: Any, root: Any) -> Any:
    """As moto's: depth first, each node of a kind that the traverser handles replaced by what it makes of it."""
    handled = tuple(self._processing_map())
    looks = type(self).pre_processing_of_child is not _nodes.DepthFirstTraverser.pre_processing_of_child

    def walk(node: Any, place: int) -> Any:
        is_node, is_handled = _kind_of(cast("Hashable", type(node)), handled)
        if not is_node:
            return node
        parent = node.parent
        for number, child in enumerate(node.children or ()):
            if looks:
                self.pre_processing_of_child(node, number)
            walk(child, number)
        if is_handled:
            node = self.process(node)
            node.parent = parent
            if parent:
                parent.children[place] = node
        return node

    return walk(root, -1)


@functools.cache
def _kind_of(kind: Any, handled: tuple[type, ...]) -> tuple[bool, bool]:
    assert isinstance(kind, type)
    return issubclass(kind, _nodes.Node), issubclass(kind, handled)


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
