# Attempts: nothing hostile: an uncaught CancelledError.
# Expect: raised CancelledError
import asyncio


async def main():
    raise asyncio.CancelledError


asyncio.run(main())
