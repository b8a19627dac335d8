"""The members that population.c makes."""
import contextlib
import itertools
import subprocess

import processes

USERS = 10 ** 8  # members are numbers below
STRANGERS = range(USERS, 10 * USERS)  # numbers of users who are members of nothing
ROWS_MIN = 100_000  # a second's cancellations have to be there
LARGEST_EVENT = 0
LARGEST_SHARE = 100  # of all members one in so many is in the largest event
ROWS_PER_EVENT = 100
ORDER_OF_IMPORT = 0  # a key; those of samples are others


class Population:
    def __init__(self, program, rows):
        self.program, self.rows = program, rows
        self.events = rows // ROWS_PER_EVENT

    def command(self, key, count):
        return [self.program, str(self.rows), str(key), str(count)]

    def sample(self, key, count):
        """So many members by chance, all different: pairs of event and user."""
        done = subprocess.run(self.command(key, count), check=True, stdout=subprocess.PIPE, text=True)
        return [tuple(line.split(",")) for line in itertools.islice(done.stdout.splitlines(), 1, None)]

    @contextlib.contextmanager
    def lines(self, key, count):
        """A pipe that members come down, in the order of that key, under a head. All of them have to be there at its end."""
        with subprocess.Popen(self.command(key, count), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              preexec_fn=processes.end_with_parent) as child:
            yield child.stdout
            child.stdout.close()
        if child.returncode != 0:
            raise RuntimeError(f"population ended with {child.returncode}")
