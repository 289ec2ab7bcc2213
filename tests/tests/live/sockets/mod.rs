//! Clients that speak PostgreSQL's own protocol to the object, through real workerd.

mod ends;
mod messages;
mod pressure;
mod talk;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::native::raw::Raw;
use crate::world::World;

/// The role of the pool, and so of its clients.
const USER: &str = "scram_user";

impl World {
    /// A client that shows every message.
    async fn raw(&self) -> Raw {
        Raw::connect(self.workerd.tcp_addr("wire").unwrap(), USER).await
    }

    /// A driver's connection, as a program has it.
    async fn driver(&self) -> Driver {
        let address = self.workerd.tcp_addr("wire").unwrap();
        let config = format!("host=127.0.0.1 port={} user={USER} dbname=main", address.port());
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        Driver { client, _task: tokio::spawn(async move { drop(connection.await) }) }
    }
}

struct Driver {
    client: Client,
    _task: JoinHandle<()>,
}

impl std::ops::Deref for Driver {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl std::ops::DerefMut for Driver {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}
