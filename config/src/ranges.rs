//! What the values of parameters lie between, and what they are when nothing is said.

use std::ops::RangeInclusive;
use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A durable object's pending work protects it for 15 minutes at most.
const LONGEST_OPERATION: Duration = seconds(15 * 60);

pub(crate) const POOL_SIZE: RangeInclusive<u32> = 1..=1_000;
pub(crate) const POOL_SIZE_DEFAULT: u32 = 10;
pub(crate) const MAX_WAITERS: RangeInclusive<u32> = 0..=10_000;
pub(crate) const MAX_WAITERS_DEFAULT: u32 = 1_000;
pub(crate) const WAIT_TIMEOUT: RangeInclusive<Duration> = ms(10)..=LONGEST_OPERATION;
pub(crate) const WAIT_TIMEOUT_DEFAULT: Duration = seconds(10);
pub(crate) const QUERY_TIMEOUT: RangeInclusive<Duration> = ms(10)..=LONGEST_OPERATION;
pub(crate) const QUERY_TIMEOUT_DEFAULT: Duration = seconds(30);
pub(crate) const CONNECT_TIMEOUT: RangeInclusive<Duration> = ms(100)..=seconds(60);
pub(crate) const CONNECT_TIMEOUT_DEFAULT: Duration = seconds(10);
pub(crate) const IDLE_TIMEOUT: RangeInclusive<Duration> = seconds(1)..=seconds(3_600);
pub(crate) const IDLE_TIMEOUT_DEFAULT: Duration = seconds(60);
/// An agent holds unused sessions while the object sleeps, so keeping them costs nothing.
pub(crate) const IDLE_TIMEOUT_DEFAULT_AGENT: Duration = seconds(10 * 60);
pub(crate) const TUNNEL_WAIT: RangeInclusive<Duration> = ms(10)..=seconds(60);
pub(crate) const TUNNEL_WAIT_DEFAULT: Duration = seconds(5);
pub(crate) const MAX_LIFETIME: RangeInclusive<Duration> = seconds(1)..=seconds(86_400);
pub(crate) const MAX_LIFETIME_DEFAULT: Duration = seconds(30 * 60);
pub(crate) const APPLICATION_NAME_BYTES_MAX: usize = 63;
pub(crate) const APPLICATION_NAME_DEFAULT: &str = "pierhead";

/// What sessions kept or held are counted against: `pool_size`, whose range bounds them too.
pub(crate) const PINNED: RangeInclusive<u32> = 1..=*POOL_SIZE.end();
pub(crate) const PINNED_PERCENT: RangeInclusive<u32> = 1..=100;
pub(crate) const PINNED_PERCENT_DEFAULT: u32 = 50;
pub(crate) const MIN_IDLE: RangeInclusive<u32> = 0..=*POOL_SIZE.end();
pub(crate) const MIN_IDLE_DEFAULT: u32 = 0;
pub(crate) const CLASS_SIZE: RangeInclusive<u32> = 1..=*POOL_SIZE.end();
pub(crate) const TRANSACTION_TIMEOUT: RangeInclusive<Duration> = ms(10)..=seconds(86_400);
pub(crate) const IDLE_IN_TRANSACTION_TIMEOUT: RangeInclusive<Duration> = ms(10)..=seconds(3_600);
pub(crate) const IDLE_IN_TRANSACTION_TIMEOUT_DEFAULT: Duration = seconds(30);
pub(crate) const CLIENT_IDLE_TIMEOUT: RangeInclusive<Duration> = seconds(1)..=seconds(86_400);
pub(crate) const CLIENT_IDLE_TIMEOUT_DEFAULT: Duration = seconds(60);
