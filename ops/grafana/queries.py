"""Parts of PromQL that the panels share."""

from dataclasses import dataclass

WINDOW = "$__rate_interval"
"""Grafana's choice, which holds at least four scrapes."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The series that are selected by a dashboard's variables, as label matchers."""

    matchers: str

    def select(self, metric: str, *matchers: str) -> str:
        """Return the selector of a metric's series."""
        return f"{metric}{{{','.join((self.matchers, *matchers))}}}"

    def rate(self, metric: str, *matchers: str, by: str = "") -> str:
        """Return a counter's rate per second, summed by these labels."""
        return aggregate("sum", f"rate({self.select(metric, *matchers)}[{WINDOW}])", by)

    def increase(self, metric: str, period: str, *matchers: str, by: str = "") -> str:
        """Return what was added to a counter in the last `period`, summed by these labels."""
        return aggregate("sum", f"increase({self.select(metric, *matchers)}[{period}])", by)

    def quantile(self, share: float, metric: str, *matchers: str, by: str = "") -> str:
        """Return the value that this share of a histogram's observations is not above."""
        labels = f"le, {by}" if by else "le"
        return f"histogram_quantile({share:g}, {self.rate(f'{metric}_bucket', *matchers, by=labels)})"

    def total(self, metric: str, *matchers: str, by: str = "") -> str:
        """Return the sum of a gauge."""
        return aggregate("sum", self.select(metric, *matchers), by)

    def highest(self, metric: str, *matchers: str, by: str = "") -> str:
        """Return the highest value of a gauge."""
        return aggregate("max", self.select(metric, *matchers), by)


PROCESSES = Selection('job=~"$job",instance=~"$instance"')
"""The processes that the variables `job` and `instance` select."""


def aggregate(operator: str, expression: str, by: str = "") -> str:
    """Return the aggregation of an expression by these labels."""
    return f"{operator} by ({by}) ({expression})" if by else f"{operator}({expression})"


def or_zero(expression: str) -> str:
    """Return the expression with 0 where it finds nothing, as where nothing has failed yet."""
    return f"{expression} or vector(0)"
