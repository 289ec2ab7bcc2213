//! How links move: dials, messages, cuts, ends.

use bytes::Bytes;
use pierhead_agent::core as agent;
use pierhead_engine::ids::LinkId;
use pierhead_engine::io as engine;

use super::events::Event;
use super::link::{End, Item, Link};
use super::{Dials, World};

impl World {
    /// A moment within a link's delay.
    pub(super) fn link_lag(&mut self) -> u64 {
        self.rng.within(0, self.plan.delay)
    }

    /// An agent dials.
    pub(super) fn dial(&mut self, slot: usize, no: agent::LinkNo) {
        let id = self.number();
        let Some(process) = self.slots[slot].process() else { return };
        self.links.insert(id, Link::new(slot, process, no));
        let lag = self.link_lag() + self.rng.pick(&[0, 5, 100]);
        self.coverage.add("link: dialled");
        self.after(lag, Event::Dialled(id));
    }

    pub(super) fn dialled(&mut self, id: u64) {
        let refused = !self.calm && self.rng.chance(self.plan.dials_refused);
        let site = self.pick_site();
        let Some(link) = self.links.get_mut(&id) else { return };
        let process = link.process;
        if self.slots[link.slot].process() != Some(process) || link.agent != End::Absent {
            // Whoever dialled has thought better of it.
            link.object = End::Closed;
            return;
        }
        if self.dials != Dials::Accepted || refused {
            let denied = self.dials == Dials::Denied;
            let (slot, no) = (link.slot, link.no);
            link.agent = End::Closed;
            link.object = End::Closed;
            self.coverage.add("link: dial refused");
            let detail = "as simulated".into();
            return self.feed_agent(slot, agent::Input::LinkRefused { link: no, denied, detail });
        }
        let lag = self.link_lag();
        self.after(lag, Event::LinkUp(id));
        self.wake_site(site);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.site = site;
        link.object = End::Open;
        link.known = self.sites[site].life();
        self.feed(site, engine::Input::LinkOpened { link: LinkId(id) });
    }

    pub(super) fn link_up(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (slot, no, process) = (link.slot, link.no, link.process);
        if self.slots[slot].process() != Some(process) {
            return self.agent_died(id);
        }
        if link.agent != End::Absent {
            return;
        }
        link.agent = End::Open;
        self.feed_agent(slot, agent::Input::LinkOpened { link: no });
        self.pump_link(id);
    }

    /// The agent's end of a link vanishes with its process.
    pub(super) fn agent_died(&mut self, id: u64) {
        let silently = self.rng.chance(20) && !self.calm;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.agent = End::Closed;
        link.down.items.clear();
        link.down.severed = true;
        if link.object == End::Closed {
            return;
        }
        link.over = true;
        let kept = link.up.items.len();
        if silently {
            link.silent = true;
            let wait = self.rng.pick(&[1_000, 20_000, 90_000]);
            self.after(wait, Event::ObjectClosed(id));
        } else {
            let kept = self.rng.size(0, kept);
            if let Some(link) = self.links.get_mut(&id) {
                link.up.cut(kept);
            }
            self.pump_link(id);
        }
    }

    /// The object's ends of all its links vanish with it.
    pub(super) fn object_died(&mut self, site: usize) {
        let ids: Vec<u64> =
            self.links.iter().filter(|(_, l)| l.site == site).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if matches!(link.object, End::Absent | End::Closed) {
                continue;
            }
            link.object = End::Closed;
            link.known = None;
            link.over = true;
            link.up.items.clear();
            link.up.severed = true;
            let waiting = link.down.items.len();
            let kept = self.rng.size(0, waiting);
            if let Some(link) = self.links.get_mut(&id) {
                link.down.cut(kept);
            }
            self.pump_link(id);
        }
    }

    /// The network breaks a link: a part of what is on its way still arrives.
    pub(super) fn cut_link(&mut self, id: u64) {
        let Some(link) = self.links.get(&id) else { return };
        if self.calm && !link.silent && !link.monitor.tainted {
            return;
        }
        let (up, down) = (link.up.items.len(), link.down.items.len());
        let (up, down) = (self.rng.size(0, up), self.rng.size(0, down));
        let Some(link) = self.links.get_mut(&id) else { return };
        link.silent = false;
        link.over = true;
        if link.object != End::Closed {
            link.up.cut(up);
        }
        if link.agent != End::Closed {
            link.down.cut(down);
        }
        self.note(|_| format!("  link {id} is cut"));
        self.pump_link(id);
    }

    /// Starts whatever lane has something to move.
    pub(super) fn pump_link(&mut self, id: u64) {
        let (up, down) = (self.link_lag(), self.link_lag());
        let late = if self.calm { 0 } else { self.rng.pick(&[0, 0, 50, 1_000, 20_000]) };
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.silent {
            return;
        }
        let opened = link.agent != End::Absent;
        let most = link.monitor.queue_max();
        let bytes = link.up.bytes().max(link.down.bytes());
        if bytes > most {
            let detail = format!("{bytes} bytes are under way on link {id}, at most {most}");
            return self.broken("6 memory", detail);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        let moves_up = !link.up.items.is_empty() && !link.up.scheduled;
        let moves_down = !link.down.items.is_empty() && !link.down.scheduled && opened;
        link.up.scheduled |= moves_up;
        link.down.scheduled |= moves_down;
        // The end of a broken link is often noticed late.
        let ends = matches!(link.up.items.front(), Some(Item::End)) && link.over;
        if moves_up {
            self.after(if ends { up + late } else { up }, Event::Up(id));
        }
        if moves_down {
            self.after(down, Event::Down(id));
        }
    }

    pub(super) fn arrive_up(&mut self, id: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.up.scheduled = false;
        }
        let many = if self.rng.chance(50) { 1 } else { 3 };
        for turn in 0..many {
            let Some(link) = self.links.get_mut(&id) else { return };
            // The end has a moment of its own.
            let end = matches!(link.up.items.front(), Some(Item::End));
            if link.silent || self.violation.is_some() || (end && turn > 0) {
                break;
            }
            match link.up.items.pop_front() {
                Some(Item::Message(message)) => self.hand_to_object(id, message),
                Some(Item::End) => self.object_closed(id),
                None => break,
            }
        }
        self.pump_link(id);
    }

    fn hand_to_object(&mut self, id: u64, message: Bytes) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !matches!(link.object, End::Open | End::Closing) {
            return;
        }
        if link.object == End::Closing && (link.known.is_none() || self.rng.chance(50)) {
            return;
        }
        let site = link.site;
        self.messages += 1;
        self.wake_site(site);
        self.object_hears(id, &message);
        let message = Some(message);
        self.feed(site, engine::Input::LinkMessage { link: LinkId(id), message });
    }

    pub(super) fn arrive_down(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.down.scheduled = false;
        if link.silent {
            return;
        }
        match link.down.items.pop_front() {
            Some(Item::Message(message)) => self.hand_to_agent(id, message),
            Some(Item::End) => self.agent_closed(id),
            None => {}
        }
        self.pump_link(id);
    }

    fn hand_to_agent(&mut self, id: u64, message: Bytes) {
        let Some(link) = self.links.get(&id) else { return };
        let (slot, no, process) = (link.slot, link.no, link.process);
        if link.agent != End::Open || self.slots[slot].process() != Some(process) {
            return;
        }
        self.messages += 1;
        self.feed_agent(slot, agent::Input::LinkAlive { link: no });
        self.agent_hears(id, &message);
        let copies = self.copies(slot);
        let others = self.of_others(id, &message);
        let heard = message.clone();
        let message = Some(message);
        self.feed_agent(slot, agent::Input::LinkMessage { link: no, message });
        self.agent_heard(id, &heard);
        self.check_untouched(id, &others);
        self.check_copies(slot, &copies);
    }

    /// The object is told of a link's end. A sleeping one is woken for it, and may or may not
    /// still find the WebSocket among its own.
    pub(super) fn object_closed(&mut self, id: u64) {
        let found = self.rng.chance(50);
        let Some(link) = self.links.get_mut(&id) else { return };
        if matches!(link.object, End::Absent | End::Closed) {
            return;
        }
        link.over = true;
        link.up.items.clear();
        let site = link.site;
        if found {
            self.wake_site(site);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.object = End::Closed;
            link.known = None;
        }
        self.wake_site(site);
        let detail = "as simulated".into();
        self.feed(site, engine::Input::LinkClosed { link: LinkId(id), detail });
    }

    pub(super) fn agent_closed(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if matches!(link.agent, End::Absent | End::Closed) {
            return;
        }
        link.agent = End::Closed;
        link.over = true;
        link.down.items.clear();
        let (slot, no, process) = (link.slot, link.no, link.process);
        if self.slots[slot].process() == Some(process) {
            let detail = "as simulated".into();
            self.feed_agent(slot, agent::Input::LinkClosed { link: no, detail });
            self.check_ending(id);
        }
    }

    /// The object closes a link after what it sent.
    pub(super) fn close_by_object(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.object != End::Open {
            return self.broken("2 one life", format!("CloseLink names link {id}, which is over"));
        }
        link.object = End::Closing;
        link.over = true;
        link.down.push(Item::End);
        let lag = if link.silent { 5_000 } else { self.link_lag() };
        self.after(lag, Event::ObjectClosed(id));
        self.pump_link(id);
    }

    /// The agent closes a link after what it sent, without waiting.
    pub(super) fn close_by_agent(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !matches!(link.agent, End::Absent | End::Open) {
            return self.broken("2 one life", format!("the agent closes link {id}, which is over"));
        }
        link.agent = End::Closing;
        link.over = true;
        link.up.push(Item::End);
        let silent = link.silent;
        let lag = self.link_lag();
        self.after(lag, Event::AgentClosed(id));
        if silent {
            // A half-dead connection is noticed by the object's platform in its own time.
            let wait = self.rng.pick(&[1_000, 20_000, 90_000]);
            self.after(wait, Event::ObjectClosed(id));
        }
        self.pump_link(id);
    }

    /// A ping left; a living WebSocket answers it, and a sleeping object notices nothing.
    pub(super) fn ping(&mut self, id: u64) {
        let Some(link) = self.links.get(&id) else { return };
        if link.is_whole() && !link.silent {
            let lag = self.link_lag() + self.link_lag();
            self.after(lag, Event::Pong(id));
        } else {
            self.coverage.add("link: ping unanswered");
        }
    }

    pub(super) fn pong(&mut self, id: u64) {
        let Some(link) = self.links.get(&id) else { return };
        let (slot, no, process) = (link.slot, link.no, link.process);
        if link.is_whole() && !link.silent && self.slots[slot].process() == Some(process) {
            self.feed_agent(slot, agent::Input::LinkAlive { link: no });
        }
    }
}
