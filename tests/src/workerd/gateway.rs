//! TCP ports of workerd itself into the coordinator's gateway, for whatever speaks PostgreSQL: psql,
//! pgbench, test suites of drivers.

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Workerd, WorkerdConfig};

/// Names of the two sockets.
const TRANSACTION: &str = "gateway-transaction";
const SESSION: &str = "gateway-session";

/// Where clients of PostgreSQL connect, as user of the database `main`, `dbname=main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayPorts {
    /// Sockets hold a session for a transaction at a time, unless they ask otherwise.
    pub transaction: SocketAddr,
    /// Sockets hold a session from their start to their end.
    pub session: SocketAddr,
}

/// A socket that hands each TCP connection to the entrypoint `Gateway` of a Worker.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) worker: String,
    pub(super) props: Value,
}

/// The gateway as another machine's Workers would reach it: calls to a service of this name leave
/// workerd by `wire`, and come in again by a socket of the same name.
#[derive(Clone, Debug)]
pub(super) struct Far {
    pub(super) name: String,
    pub(super) worker: String,
    pub(super) props: Value,
    pub(super) wire: SocketAddr,
}

impl WorkerdConfig {
    /// Puts a wire before the gateway of a Worker: what is bound to `name` as a service calls `wire`,
    /// and what listens there passes it on to [`Workerd::addr`] of `name`.
    pub fn far_gateway(mut self, name: &str, worker: &str, props: Value, wire: SocketAddr) -> Self {
        self.far.push(Far { name: name.into(), worker: worker.into(), props, wire });
        self
    }

    /// Opens two ports into the gateway of this Worker; see [`Workerd::gateway_ports`].
    pub fn gateway_ports(self, worker: &str) -> Self {
        self.gateway_port(TRANSACTION, worker, json!({})).gateway_port(
            SESSION,
            worker,
            json!({ "mode": "session" }),
        )
    }

    /// Opens a port of this name into the gateway of a Worker, with these props of a binding; see
    /// [`Workerd::addr`].
    pub fn gateway_port(mut self, name: &str, worker: &str, props: Value) -> Self {
        self.ports.push(Port { name: name.into(), worker: worker.into(), props });
        self
    }
}

impl Workerd {
    /// The two ports into the gateway. Needs [`WorkerdConfig::gateway_ports`].
    pub fn gateway_ports(&self) -> Result<GatewayPorts> {
        Ok(GatewayPorts { transaction: self.addr(TRANSACTION)?, session: self.addr(SESSION)? })
    }
}
