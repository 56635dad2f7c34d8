"""The turns of a conversation, arranged for dialects that are strict about them."""

from collections.abc import Iterable

from hub.dialect.given import Notes
from hub.dialect.neutral import Block, Media, Message, Text, Tool, ToolResult, ToolUse, flat


def system_first(messages: Iterable[Message]) -> tuple[tuple[Block, ...], list[Message]]:
    """What the system says before the conversation, and the conversation.

    What it says later becomes a part of the user's turn, marked as what it is: it stays in its place, so that the
    prompt before it stays as it was in the provider's cache.
    """
    system: list[Block] = []
    turns: list[Message] = []
    for message in messages:
        if message.role != "system":
            turns.append(message)
        elif not turns:
            system += message.content
        else:
            turns.append(Message("user", tuple(_told(block) for block in message.content)))
    return (tuple(system), turns) if turns else ((), [Message("user", tuple(system))])


def _told(block: Block) -> Block:
    return Text(f"<system>\n{block.text}\n</system>", block.cache) if isinstance(block, Text) else block


def merged(messages: Iterable[Message]) -> list[Message]:
    """The turns, with neighbours of one role joined; results of tools stand before what else the user says."""
    turns: list[Message] = []
    for message in messages:
        if turns and turns[-1].role == message.role:
            turns[-1] = Message(message.role, (*turns[-1].content, *message.content), turns[-1].name)
        else:
            turns.append(message)
    return [_results_first(turn) for turn in turns if turn.content]


def _results_first(turn: Message) -> Message:
    results = tuple(block for block in turn.content if isinstance(block, ToolResult))
    if not results or turn.content[: len(results)] == results:
        return turn
    rest = tuple(block for block in turn.content if not isinstance(block, ToolResult))
    return Message(turn.role, (*results, *rest), turn.name)


def tool_names(messages: Iterable[Message]) -> dict[str, str]:
    """Which tool each call called, by the call's id."""
    return {
        block.id: flat(block.namespace, block.name)
        for message in messages
        for block in message.content
        if isinstance(block, ToolUse)
    }


def undrawn(blocks: Iterable[Block], notes: Notes) -> tuple[Block, ...]:
    """What an assistant said before without what it drew: few dialects let one show its own pictures again."""
    kept: list[Block] = []
    for block in blocks:
        if isinstance(block, Media):
            notes.drop(f"messages.content.{block.kind}")
        else:
            kept.append(block)
    return tuple(kept)


def tools_called(messages: Iterable[Message]) -> tuple[Tool, ...]:
    """The tools that were called before: some providers take no conversation with calls of tools that nobody offers."""
    names = dict.fromkeys(tool_names(messages).values())
    return tuple(Tool(name, "It was called before, and is not offered any more.") for name in names)


def grouped(items: Iterable[Message]) -> tuple[Message, ...]:
    """Items as turns: what the model said in a row is one turn, and so are the answers of tools in a row."""
    turns: list[Message] = []
    for item in items:
        last = turns[-1] if turns else None
        if last is not None and last.role == item.role and (item.role == "assistant" or (_only(last) and _only(item))):
            turns[-1] = Message(item.role, (*last.content, *item.content))
        else:
            turns.append(item)
    return tuple(turns)


def _only(turn: Message) -> bool:
    return all(isinstance(block, ToolResult) for block in turn.content)
