//! A Worker that uses SeaORM. Its statements go through the coordinator by SeaORM's proxy interface;
//! `pierhead.rs` is the adapter, to be copied.
//!
//! `GET` lists berths; `POST ?total=a&part=b` counts both, in one transaction.

mod entities;
mod pierhead;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, Set, TransactionTrait,
};
use worker::{Context, Env, Method, Request, Response, console_error, event};

use crate::entities::{berth, counter};
use crate::pierhead::Proxy;

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let proxy = match pierhead_client::Database::from_env(&env, "main") {
        Ok(database) => Proxy::new(database),
        Err(error) => return error.to_response(),
    };
    let answer = if request.method() == Method::Post {
        count(&proxy, &request).await
    } else {
        berths(&proxy).await
    };
    match answer {
        Ok(response) => Ok(response),
        Err(error) => {
            console_error!("{error}");
            // What the coordinator or the database said, for the right status.
            match proxy.take_error() {
                Some(error) => error.to_response(),
                None => Response::error("the request failed", 500),
            }
        }
    }
}

async fn berths(proxy: &Proxy) -> Result<Response, DbErr> {
    let connection = proxy.connection().await?;
    let berths = berth::Entity::find()
        .filter(berth::Column::Id.lte(3))
        .order_by_asc(berth::Column::Id)
        .all(&connection)
        .await?;
    Response::from_json(&berths).map_err(|error| DbErr::Custom(error.to_string()))
}

/// Counts one thing, and in a transaction in it another.
async fn count(proxy: &Proxy, request: &Request) -> Result<Response, DbErr> {
    let url = request.url().map_err(|error| DbErr::Custom(error.to_string()))?;
    let name = |key: &str| {
        let value = url.query_pairs().find(|(name, _)| name == key);
        value.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let connection = proxy.connection().await?;
    let total = count_both(&connection, name("total"), name("part")).await?;
    // SeaORM does not learn how COMMIT ended.
    proxy.committed()?;
    Response::ok(total.to_string()).map_err(|error| DbErr::Custom(error.to_string()))
}

async fn count_both(
    connection: &DatabaseConnection,
    total: String,
    part: String,
) -> Result<i64, DbErr> {
    let transaction = connection.begin().await?;
    let counter = counter::Entity::find_by_id(total.clone()).one(&transaction).await?;
    let total = match counter {
        Some(counter) => {
            let value = counter.value + 1;
            let mut counter = counter.into_active_model();
            counter.value = Set(value);
            counter.update(&transaction).await?
        }
        None => {
            counter::ActiveModel { name: Set(total), value: Set(1) }.insert(&transaction).await?
        }
    };
    let inner = transaction.begin().await?;
    let inserted = counter::ActiveModel { name: Set(part), value: Set(1) }.insert(&inner).await;
    match inserted {
        Ok(_) => inner.commit().await?,
        // It exists: the total counts all the same.
        Err(_) => inner.rollback().await?,
    }
    transaction.commit().await?;
    Ok(total.value)
}
