//! What the page shows of each section: its tables, its charts, whom its figures are held against.

/// One section of the page, in the order in which it is shown.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) id: &'static str,
    /// In the head of columns and below the x axis: what `at` is.
    pub(super) axis: Axis,
    /// Which contender ratios are to, and in words.
    pub(super) floor: Option<(&'static str, &'static str)>,
    /// Whom it is held against, in words, or nobody; the figures say which of them were there.
    pub(super) peers: &'static str,
    pub(super) tables: &'static [Table],
    pub(super) charts: &'static [Chart],
}

/// What stands on the x axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    /// Behind a place in a sentence, with its blank: ` ms`.
    pub(super) unit: &'static str,
}

#[derive(Debug)]
pub(super) enum Table {
    /// A row for each contender, a column for each place, in which the metrics stand one behind the other;
    /// with ratios of the first one at one place.
    Over { title: &'static str, metrics: &'static [&'static str], ratios_at: Option<f64> },
    /// A row for each contender, a column for each metric, all at one place.
    Beside { title: &'static str, at: f64, columns: &'static [(&'static str, &'static str)] },
    /// A row for each contender, columns for each metric at each of the places.
    Grid {
        title: &'static str,
        places: &'static [f64],
        columns: &'static [(&'static str, &'static str)],
    },
    /// A row for each metric that begins so, a column for each contender.
    Metrics { title: &'static str, prefixes: &'static [&'static str] },
}

#[derive(Debug)]
pub(super) struct Chart {
    /// Without `.svg`.
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) kind: ChartKind,
}

#[derive(Debug)]
pub(super) enum ChartKind {
    /// A line for each contender over the places.
    Lines {
        metric: &'static str,
        y: &'static str,
        log: [bool; 2],
        /// A level across, and what it says.
        mark: Option<(f64, &'static str)>,
    },
    /// A bar for each contender at one place, its parts one behind the other.
    Bars {
        parts: &'static [(&'static str, &'static str)],
        at: f64,
        x: &'static str,
        mark: Option<(f64, &'static str)>,
    },
    /// A bar for each contender of each metric that begins so.
    Groups { prefix: &'static str, x: &'static str },
}

/// What the platform says one Durable Object does, about, in requests a second.
pub(super) const SOFT_LIMIT: f64 = 1_000.0;

/// Together of what begins with `cpu/`; computed, not measured.
pub(super) const CPU_SUM: &str = "cpu/together";

const TIMES: [bool; 2] = [true, true];
const PLAIN: [bool; 2] = [false, false];

pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter {
        id: "latency",
        axis: Axis { label: "emulated round trip, ms", unit: " ms" },
        floor: Some(("forward", "an RPC to an object that forwards it to an echo and back")),
        peers: "the drivers `pg` and `postgres` with a connection for each invocation, and `pg` through PgBouncer",
        tables: &[
            Table::Grid {
                title: "Round trips: what the distance adds at the median, divided by what it adds to an echo",
                places: &[40.0, 80.0],
                columns: &[
                    ("first/trips", "first query"),
                    ("further/trips", "further query"),
                    ("batch/trips", "ten statements"),
                    ("transaction/trips", "transaction"),
                ],
            },
            Table::Over {
                title: "First query of an invocation: median / 99th percentile, ms",
                metrics: &["first/p50", "first/p99"],
                ratios_at: Some(40.0),
            },
            Table::Over {
                title: "Further query: median / 99th percentile, ms",
                metrics: &["further/p50", "further/p99"],
                ratios_at: Some(40.0),
            },
            Table::Over {
                title: "Ten statements: median / 99th percentile, ms",
                metrics: &["batch/p50", "batch/p99"],
                ratios_at: Some(40.0),
            },
            Table::Over {
                title: "Transaction of three statements: median / 99th percentile, ms",
                metrics: &["transaction/p50", "transaction/p99"],
                ratios_at: Some(40.0),
            },
        ],
        charts: &[
            Chart {
                file: "latency-first",
                title: "First query of an invocation, median",
                kind: ChartKind::Lines { metric: "first/p50", y: "ms", log: PLAIN, mark: None },
            },
            Chart {
                file: "latency-transaction",
                title: "Transaction of three statements, median",
                kind: ChartKind::Lines {
                    metric: "transaction/p50",
                    y: "ms",
                    log: PLAIN,
                    mark: None,
                },
            },
        ],
    },
    Chapter {
        id: "throughput",
        axis: Axis { label: "callers at once", unit: " callers" },
        floor: Some(("forward", "an RPC to an object that forwards it to an echo and back")),
        peers: "the drivers `pg` and `postgres` with a connection for each invocation, `pg` through PgBouncer, and `pgbench` on all three",
        tables: &[
            Table::Over { title: "Queries a second", metrics: &["rate"], ratios_at: Some(200.0) },
            Table::Over {
                title: "Median / 99th / 99.9th percentile, ms",
                metrics: &["p50", "p99", "p999"],
                ratios_at: None,
            },
            Table::Over {
                title: "99th percentile divided by the median",
                metrics: &["spread"],
                ratios_at: None,
            },
            Table::Beside {
                title: "CPU seconds per 1,000 queries, 200 callers",
                at: 200.0,
                columns: &[
                    ("cpu/workerd", "workerd"),
                    ("cpu/database", "database"),
                    ("cpu/tunnel", "tunnel"),
                    ("cpu/pgbouncer", "PgBouncer"),
                    (CPU_SUM, "together"),
                ],
            },
            Table::Over { title: "Errors", metrics: &["errors"], ratios_at: None },
        ],
        charts: &[
            Chart {
                file: "throughput-rate",
                title: "Queries a second, closed loop",
                kind: ChartKind::Lines {
                    metric: "rate",
                    y: "queries/s",
                    log: TIMES,
                    mark: Some((SOFT_LIMIT, "an object's soft limit in production")),
                },
            },
            Chart {
                file: "throughput-p99",
                title: "99th percentile under load",
                kind: ChartKind::Lines { metric: "p99", y: "ms", log: TIMES, mark: None },
            },
            Chart {
                file: "throughput-cpu",
                title: "CPU per 1,000 queries, 200 callers",
                kind: ChartKind::Bars {
                    parts: &[
                        ("cpu/workerd", "workerd"),
                        ("cpu/database", "database"),
                        ("cpu/tunnel", "tunnel"),
                        ("cpu/pgbouncer", "PgBouncer"),
                    ],
                    at: 200.0,
                    x: "seconds",
                    mark: None,
                },
            },
        ],
    },
    Chapter {
        id: "large",
        axis: Axis { label: "size of the result, MB", unit: " MB" },
        floor: Some(("forward", "an object that pours as many bytes from a tunnel to the Worker")),
        peers: "the drivers `pg` and `postgres` with a connection for each invocation, and `pg` through PgBouncer",
        tables: &[
            Table::Over { title: "MB a second", metrics: &["rate"], ratios_at: Some(100.0) },
            Table::Over { title: "Largest memory, MB", metrics: &["memory"], ratios_at: None },
            Table::Over {
                title: "Failed, of each time it was read",
                metrics: &["errors"],
                ratios_at: None,
            },
        ],
        charts: &[Chart {
            file: "large-rate",
            title: "A large result",
            kind: ChartKind::Lines { metric: "rate", y: "MB/s", log: [true, false], mark: None },
        }],
    },
    Chapter {
        id: "storms",
        axis: Axis { label: "", unit: "" },
        floor: None,
        peers: "`pg` with a connection for each invocation, and `pg` through PgBouncer",
        tables: &[Table::Beside {
            title: "A thousand invocations at once",
            at: 0.0,
            columns: &[
                ("took", "until the last is answered, ms"),
                ("p50", "median, ms"),
                ("p99", "p99, ms"),
                ("sessions", "sessions opened"),
                ("errors", "errors"),
            ],
        }],
        charts: &[Chart {
            file: "storms",
            title: "A thousand invocations at once, until the last is answered",
            kind: ChartKind::Bars { parts: &[("took", "")], at: 0.0, x: "ms", mark: None },
        }],
    },
    Chapter {
        id: "idle",
        axis: Axis { label: "", unit: "" },
        floor: None,
        peers: "",
        tables: &[
            Table::Over {
                title: "Memory of an idle client, bytes, by the number of them",
                metrics: &["memory/client"],
                ratios_at: None,
            },
            Table::Beside {
                title: "Of which, with 1,000 clients",
                at: 1_000.0,
                columns: &[
                    ("client/js", "JavaScript"),
                    ("client/runtime", "runtime"),
                    ("client/buffers", "buffers"),
                    ("client/wasm", "wasm"),
                ],
            },
            Table::Over {
                title: "Memory of a parked session, bytes, by the number of them",
                metrics: &["memory/session"],
                ratios_at: None,
            },
            Table::Over {
                title: "After sleep, to the first answer, ms, by emulated round trip in ms",
                metrics: &["wake"],
                ratios_at: None,
            },
            Table::Over {
                title: "Incoming tunnel messages per 1,000 queries, by callers at once",
                metrics: &["messages"],
                ratios_at: None,
            },
        ],
        charts: &[],
    },
    Chapter {
        id: "soak",
        axis: Axis { label: "minutes", unit: " min" },
        floor: None,
        peers: "",
        tables: &[
            Table::Metrics {
                title: "Memory over the second half, by the line through it",
                prefixes: &["begin", "end", "growth"],
            },
            Table::Beside {
                title: "The load",
                at: 0.0,
                columns: &[("rate", "queries/s"), ("errors", "errors")],
            },
        ],
        charts: &[Chart {
            file: "soak",
            title: "Memory under load",
            kind: ChartKind::Lines { metric: "memory", y: "MB", log: PLAIN, mark: None },
        }],
    },
    Chapter {
        id: "weight",
        axis: Axis { label: "", unit: "" },
        floor: None,
        peers: "PgBouncer's instructions in user space, which hold its input and output; the engine has none",
        tables: &[
            Table::Metrics { title: "What is deployed", prefixes: &["wasm", "glue", "sum"] },
            Table::Metrics { title: "Start-up", prefixes: &["isolate"] },
            Table::Metrics { title: "Instructions a query", prefixes: &["instructions/"] },
            Table::Metrics { title: "Memory of the agent", prefixes: &["memory/agent"] },
        ],
        charts: &[Chart {
            file: "weight-instructions",
            title: "Instructions a query",
            kind: ChartKind::Groups { prefix: "instructions/", x: "instructions" },
        }],
    },
];

/// Whether more of it is better.
pub(super) fn more_is_better(metric: &str) -> bool {
    metric == "rate"
}

/// Whether who has less or more of it is better off. What a part of the whole costs says nothing
/// alone, and a quotient of one's own times nothing about others.
pub(super) fn is_contest(metric: &str) -> bool {
    metric != "spread" && (metric == CPU_SUM || !metric.starts_with("cpu/"))
}
