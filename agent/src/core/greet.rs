//! The hello, and pages of offers (`docs/protocol.md`, 2.4 and 2.8).

use pierhead_wire::limits::{
    TUNNEL_BODY_BYTES_MAX, TUNNEL_OFFERS_PER_PAGE_MAX, TUNNEL_PARKED_MAX, TUNNEL_REPLACES_MAX,
};
use pierhead_wire::tunnel::{
    Amount, Database, Fault, Hello, List, Mode, Name, Offer, Offered, Options, ParkedCount,
    VERSION, VERSION_OLDEST,
};

use super::Agent;
use super::io::{DatabaseNo, LinkNo};
use super::limits::WELCOME_TIMEOUT;
use super::link::Phase;
use super::timers::Timer;
use super::window::Window;

/// Bytes of an offer's own fields, and of an item's besides its blob.
const OFFER_FIELDS: usize = 8;
const ITEM_FIELDS: usize = 34;

impl Agent {
    /// Presents the agent on a link that has opened, with all parked streams that are no other
    /// link's.
    pub(super) fn greet(&mut self, no: LinkNo) {
        let Some(link) = self.links.get(&no) else { return };
        let database = link.database;
        let offered = self.offers(database, None);
        let replaces = self.replaced(database);
        let written = (self.hello(no, database, &replaces, offered.len()), pages(0, &offered));
        let (Ok(hello), Ok(pages)) = written else { return };
        self.hellos = self.hellos.saturating_add(1);
        self.count_offers(database, offered.len());
        let Some(link) = self.links.get_mut(&no) else { return };
        link.phase = Phase::Greeted;
        link.hello = self.hellos;
        link.replaces = replaces;
        link.heard = self.now;
        link.put(hello);
        for page in pages {
            link.put(page);
        }
        link.offered = offered.iter().map(|item| item.stream).collect();
        link.unsettled = link.offered.clone();
        self.changed.link(no);
        self.timers.set(Timer::Link(no), self.now + WELCOME_TIMEOUT);
    }

    /// Answers a `list`: the link's own parked streams, and those that are nobody's.
    pub(super) fn answer_list(&mut self, no: LinkNo, number: u32) {
        let Some(link) = self.links.get(&no) else { return };
        let database = link.database;
        let offered = self.offers(database, Some(no));
        self.put_offers(no, number, &offered);
    }

    /// Offers what is nobody's on the newest link of the database that is up, if there is one: a
    /// link has ended, and no hello may come for a long time.
    pub(super) fn offer_left(&mut self, database: DatabaseNo) {
        let up = self.links.values().filter(|link| {
            link.database == database && link.copy().is_some() && !link.drain_in && !link.drain_out
        });
        let Some(link) = up.max_by_key(|link| link.hello) else { return };
        let (no, known) = (link.no, &link.offered);
        let mut offered = self.offers(database, None);
        offered.retain(|item| !known.contains(&item.stream));
        self.put_offers(no, 0, &offered);
    }

    fn put_offers(&mut self, no: LinkNo, number: u32, offered: &[Offered]) {
        let Some(link) = self.links.get_mut(&no) else { return };
        let Ok(pages) = pages(number, offered) else { return };
        let database = link.database;
        for page in pages {
            link.put(page);
            self.changed.link(no);
        }
        for item in offered {
            link.said.remove(item.stream);
            if !link.streams.contains(&item.stream) {
                link.offered.insert(item.stream);
            }
        }
        self.count_offers(database, offered.len());
    }

    fn count_offers(&mut self, database: DatabaseNo, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.count(database, |totals| totals.offered = totals.offered.saturating_add(count));
    }

    /// Parked streams of the database that are nobody's, or this link's.
    fn offers(&self, database: DatabaseNo, owner: Option<LinkNo>) -> Vec<Offered> {
        self.streams
            .values()
            .filter(|stream| stream.database == database)
            .filter(|stream| stream.owner.is_none() || stream.owner == owner)
            .filter_map(|stream| Some(stream.offered(stream.parked()?, self.now)))
            .take(TUNNEL_PARKED_MAX.into())
            .collect()
    }

    /// Links that the coordinator may not know to be closed: the newest of those that ended.
    fn replaced(&self, database: DatabaseNo) -> Vec<u32> {
        let Some(database) = self.databases.get(database.0) else { return Vec::new() };
        let skipped = database.ended.len().saturating_sub(TUNNEL_REPLACES_MAX);
        database.ended.iter().skip(skipped).copied().collect()
    }

    fn hello(
        &self,
        no: LinkNo,
        database: DatabaseNo,
        replaces: &[u32],
        parked: usize,
    ) -> Result<Hello, Fault> {
        let cap = self.databases.get(database.0).map_or(0, |database| database.cap);
        let name = Name::cut(self.name(database));
        let settings = &self.settings;
        Ok(Hello {
            newest: VERSION,
            oldest: VERSION_OLDEST,
            life: self.life,
            link: no.0,
            stream_credit: Amount(Window::new(settings.stream_window).size()),
            link_credit: Amount(Window::new(settings.link_window).size()),
            replaces: List::new(replaces)?,
            databases: List::new(&[Database { name, mode: Mode::Pipe, cap }])?,
            parked: ParkedCount(u16::try_from(parked).unwrap_or(TUNNEL_PARKED_MAX)),
            options: Options::agent(
                &settings.release,
                &settings.instance,
                settings.park_ttl.as_u32(),
            ),
        })
    }

    /// Drops the links that a welcomed hello has replaced from the list of those to be replaced.
    pub(super) fn forget_replaced(&mut self, no: LinkNo) {
        let Some(link) = self.links.get_mut(&no) else { return };
        let replaced = std::mem::take(&mut link.replaces);
        let database = link.database;
        if let Some(database) = self.database_mut(database) {
            database.ended.retain(|ended| !replaced.contains(ended));
        }
    }
}

/// As few pages as items and bytes allow; no items make no page after a hello (number 0), and an
/// empty one after a `list`.
fn pages(number: u32, offered: &[Offered]) -> Result<Vec<Offer>, Fault> {
    let mut pages = Vec::new();
    let mut rest = offered;
    while !rest.is_empty() || (pages.is_empty() && number != 0) {
        let (page, after) = rest.split_at_checked(page_len(rest)).unwrap_or((rest, &[]));
        let left = u16::try_from(after.len()).unwrap_or(TUNNEL_PARKED_MAX);
        pages.push(Offer { number, left, streams: List::new(page)? });
        rest = after;
    }
    Ok(pages)
}

/// How many of the first items fit one page; at least one.
fn page_len(items: &[Offered]) -> usize {
    let mut bytes = OFFER_FIELDS;
    let fits = items.iter().take(TUNNEL_OFFERS_PER_PAGE_MAX).take_while(|item| {
        bytes = bytes.saturating_add(ITEM_FIELDS).saturating_add(item.blob.0.len());
        bytes <= TUNNEL_BODY_BYTES_MAX
    });
    fits.count().max(1).min(items.len())
}
