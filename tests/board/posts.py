"""Posts as the tests of the store make them, and limits that are reached; asserts success only."""

from sqlalchemy import update

from board import tables
from board.database import Database
from board.model import Problem
from board.records import NewPicture, NewPost, Posted, ReadyPicture

READY = ReadyPicture(".png", ".jpg", 10, 20, 99, "m" * 24)


def new_post(key: str, body: str = "x", now_ms: int = 1000, tim: int | None = None) -> NewPost:
    picture = None
    if tim is not None:
        picture = NewPicture(tim, "0" * 64, "PNG", ".png", 10, 20, 10, 20, 50, "a.png")
    return NewPost("b", key, now_ms, "Title", "", body, picture)


def posted(done: Posted | Problem) -> Posted:
    assert isinstance(done, Posted)
    return done


def set_limits(database: Database, **limits: int) -> None:
    with database.writing() as connection:
        connection.execute(update(tables.board).values(**limits))
