//! Who is compared: the floors, Pierhead's ways, and what people use instead.

/// One contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A call to an object that does nothing.
    Rpc,
    /// A call to an object that passes the bytes on to an echo peer, and back.
    Forward,
    /// Warm sessions of a native program.
    Native,
    /// The package's calls, over each tunnel.
    ExchangeAgent,
    ExchangeCloudflared,
    ExchangeDirect,
    /// Drivers on a socket to the object.
    SocketPg,
    SocketTokioPostgres,
    /// Drivers in a Worker that connects by itself.
    DirectPg,
    DirectPostgres,
    /// The same to PgBouncer beside the database.
    PgBouncerPg,
}

impl Way {
    /// All, in the order of every table.
    pub(crate) const ALL: [Self; 11] = [
        Self::Rpc,
        Self::Forward,
        Self::Native,
        Self::ExchangeAgent,
        Self::ExchangeCloudflared,
        Self::ExchangeDirect,
        Self::SocketPg,
        Self::SocketTokioPostgres,
        Self::DirectPg,
        Self::DirectPostgres,
        Self::PgBouncerPg,
    ];

    /// The name in figures, and in the paths of the Worker `bench`.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Forward => "forward",
            Self::Native => "native",
            Self::ExchangeAgent => "exchange-agent",
            Self::ExchangeCloudflared => "exchange-cloudflared",
            Self::ExchangeDirect => "exchange-direct",
            Self::SocketPg => "socket-pg",
            Self::SocketTokioPostgres => "socket-tokio-postgres",
            Self::DirectPg => "direct-pg",
            Self::DirectPostgres => "direct-postgres",
            Self::PgBouncerPg => "pgbouncer-pg",
        }
    }

    /// Whether each invocation opens a connection to what may be far away: such a request takes
    /// several round trips.
    pub(crate) const fn connects(self) -> bool {
        matches!(self, Self::DirectPg | Self::DirectPostgres | Self::PgBouncerPg)
    }

    /// Whether it asks a database.
    pub(crate) const fn asks_a_database(self) -> bool {
        !matches!(self, Self::Rpc | Self::Forward)
    }
}

/// What one invocation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// So many statements, each behind the answer of the one before.
    Queries(usize),
    /// So many statements at once.
    Batch(usize),
    /// So many statements in an interactive transaction.
    Transaction(usize),
    /// A result of so many KiB, in rows of one.
    Big(usize),
}

impl Work {
    pub(crate) const fn parts(self) -> (&'static str, usize) {
        match self {
            Self::Queries(n) => ("query", n),
            Self::Batch(n) => ("batch", n),
            Self::Transaction(n) => ("transaction", n),
            Self::Big(kib) => ("big", kib),
        }
    }
}
