"""`python -m tests.golden [--inputs]`: write what the processors make of the logs, or the logs as well."""

import asyncio
import sys
from pathlib import Path

from stack import Stack
from tests.golden import broadcast_script, invitations_script, log, run
from tests.golden.test_golden import SERVICES, batches, result


async def main(*, inputs: bool) -> None:
    """Write the files."""
    async with Stack(components=["postgres"]) as stack:
        for service in SERVICES:
            url = await stack.create_database(f"golden_{service}")
            if inputs and service == "invitations":
                script = invitations_script.write()
                log.write(
                    service, "inputs", [log.input_line(entry, copied=False) for entry in script.entries]
                )
            elif inputs:
                await broadcast_script.write(url)
            async with run.opened(service, url, "golden") as processor:
                for batch in batches(service):
                    await processor.take(batch)
                records, outcomes = await result(processor)
            log.write(service, "records", records)
            log.write(service, "outcomes", outcomes)


if __name__ == "__main__":
    asyncio.run(main(inputs="--inputs" in sys.argv))
    print(*sorted(Path(__file__).parent.glob("*.jsonl")), sep="\n")  # noqa: T201 - a command's answer
