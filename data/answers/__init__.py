"""What a model said: a table of answers beside the cube, ``results.answers.parquet``, a row an item and checkpoint."""

from calque.data.answers.answer import LoggedAnswer
from calque.data.answers.file import AnswersFile
from calque.data.answers.table import answers_path, join_answers, read_answers

__all__ = ["AnswersFile", "LoggedAnswer", "answers_path", "join_answers", "read_answers"]
