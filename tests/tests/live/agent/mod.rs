//! Sessions through agents that dial in.

mod copies;
mod cost;
mod cut;
mod door;
mod ends;
mod forgotten;
mod pressure;
pub(crate) mod scene;
mod survive;
mod trips;
mod waits;
