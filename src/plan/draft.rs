//! One package while it is decided on: what the rules pick, what goes along with that, and what
//! has to stay because something that stays needs it.
//!
//! Keeping wins: what is not picked stays, what that needs stays too, and so on until nothing more
//! is found. Only then is anything said to go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::{
    Hold, Listing, PackagePlan, Verdict, latest, name_of, newest_first, pick, pick::Pick, planned::Planned,
    reason::Reason,
};
use crate::{
    graph::ImageGraph,
    inputs::{Rules, VersionReference},
    manifest::Manifests,
    model::{Package, PackageType, Version},
    report::{Decision, Role},
};

/// A package with what its rules say of every version, before the bounds of the whole run.
pub(super) struct Draft {
    package: Package,
    active: Option<u64>,
    /// Newest first; the graph's places are those of this list.
    versions: Vec<Version>,
    graph: ImageGraph,
    manifests: Manifests,
    picks: Vec<Result<Pick, Reason>>,
    /// Picked, and held back by what bounds the plan as a whole.
    withheld: BTreeMap<usize, (Decision, Reason)>,
    /// Parts that may go with their image.
    follows: Vec<bool>,
    hold: Option<Hold>,
    /// Whether the package itself goes with its last version.
    delete_empty_package: bool,
    /// The plan that is carried out instead of the rules.
    planned: Option<Planned>,
    deleted: Vec<Version>,
}

/// What goes and what stays, by place.
struct Outlook {
    goes: Vec<bool>,
    loses_tags: Vec<bool>,
    /// On whose behalf it stays, of what something that stays needs.
    needed: Vec<Option<usize>>,
    /// Everything that goes, each after what needs it.
    order: Vec<usize>,
    /// The image it goes with, of the parts.
    image: HashMap<usize, usize>,
}

impl Draft {
    /// Decides on every version of a package, each by itself and by its rank among the others.
    pub(super) fn new(listing: Listing, rules: &Rules, now: Timestamp) -> Self {
        let Listing { package, active, mut versions, deleted, manifests, unreadable, earlier, .. } = listing;
        let planned = earlier.map(Planned::new);
        versions.sort_by(newest_first);
        let is_container = package.package_type == PackageType::Container;
        // only images have fallback tags and manifests: of others, nothing hangs together
        let graph = match is_container {
            true => ImageGraph::new(versions.iter(), &manifests),
            false => ImageGraph::without_edges(versions.len()),
        };
        let rulings: Vec<_> = versions
            .iter()
            .enumerate()
            .map(|(place, version)| pick::ruling(version, place, &graph, &manifests, is_container, rules, now))
            .collect();
        // the pool of keep-latest is made before anything looks at age
        let in_pool = |place: &usize| rulings[*place].is_in_pool() && graph.role(*place) == Role::Root;
        let pool = (0..versions.len()).filter(in_pool).map(|place| &versions[place]);
        let spared = latest::spared(pool, rules);
        let follows = |(place, version)| {
            planned.is_none()
                && !graph.is_dangling(place)
                && pick::follows(version, graph.is_referrer(place), rules, now)
        };
        let follows = versions.iter().enumerate().map(follows).collect();
        let picks = versions.iter().enumerate().zip(rulings);
        let picks = picks.map(|((place, version), ruling)| match &planned {
            Some(_) if graph.is_dangling(place) => Err(Reason::Dangling),
            Some(planned) => planned.pick(version, rules, now),
            None => ruling.settle(version, spared.get(&version.id), rules, now),
        });
        let picks = picks.collect();
        let hold = rules.version_ids.as_deref().and_then(|wanted| absent(wanted, &versions));
        let hold = unreadable.map(Hold::Failed).or(hold);
        Self {
            package,
            active,
            versions,
            graph,
            manifests,
            picks,
            withheld: BTreeMap::new(),
            follows,
            hold,
            delete_empty_package: planned.as_ref().map_or(rules.delete_empty_package, |planned| planned.takes_package),
            planned,
            deleted,
        }
    }

    /// Images that go or lose tags: each counts once, with all its parts.
    pub(super) fn images(&self) -> Vec<usize> {
        let outlook = self.outlook();
        let going = outlook.order.iter().copied().filter(|place| !outlook.image.contains_key(place));
        let is_root = |place: &usize| outlook.loses_tags[*place] && self.graph.role(*place) == Role::Root;
        going.chain((0..self.versions.len()).filter(is_root)).collect()
    }

    pub(super) fn version(&self, place: usize) -> &Version {
        &self.versions[place]
    }

    /// Holds a picked version back for a reason that lies beyond it.
    pub(super) fn withhold(&mut self, place: usize, decision: Decision, reason: Reason) {
        self.withheld.insert(place, (decision, reason));
    }

    /// Lets everything go again that was held back.
    pub(super) fn release(&mut self) {
        self.withheld.clear();
    }

    /// GitHub refuses to delete the last tagged version of a package ("You must delete the package
    /// instead."), and an empty package would be gone for its users: the newest image stays.
    pub(super) fn retain_last_image(&mut self) {
        if let Some((place, reason)) = self.last_image() {
            self.withhold(place, Decision::Retain, reason);
        }
    }

    /// What the limit leaves for the next run may be an image too: then none has to be retained, and
    /// what was is left as well. Or it leaves so much that the package stays, but no tagged image.
    pub(super) fn reconsider_last_image(&mut self, limit: usize) {
        let retained = self.withheld.iter().find(|(_, (decision, _))| *decision == Decision::Retain);
        let retained = retained.map(|(place, _)| *place);
        if let Some(place) = retained {
            self.withheld.remove(&place);
        }
        match (self.last_image(), retained) {
            (Some((place, reason)), _) => self.withhold(place, Decision::Retain, reason),
            (None, Some(place)) => self.withhold(place, Decision::Keep, Reason::Limit(limit)),
            (None, None) => {}
        }
    }

    fn last_image(&self) -> Option<(usize, Reason)> {
        if self.goes_whole() {
            return None;
        }
        let goes = self.outlook().goes;
        let has_tag = |place: &usize| self.versions[*place].own_tags().next().is_some();
        // a referrer whose subject is gone is no image, although nothing needs it
        let is_image = |place: &usize| !self.graph.is_referrer(*place);
        let is_root = |place: &usize| self.graph.role(*place) == Role::Root && !self.graph.is_dangling(*place);
        // a child of which the index goes is an image of its own from then on
        let is_left = |place: &usize| {
            let is_free = self.graph.needed_by(*place).all(|needer| goes[needer]);
            !goes[*place] && is_free && is_image(place) && !self.graph.is_dangling(*place)
        };
        let all = 0..self.versions.len();
        let (images, referrers): (Vec<_>, Vec<_>) = all.clone().filter(is_root).partition(is_image);
        let (mut tagged, mut untagged): (Vec<_>, Vec<_>) = images.into_iter().partition(has_tag);
        let (left_tagged, left_untagged): (Vec<_>, Vec<_>) = all.clone().filter(is_left).partition(has_tag);
        tagged.extend(left_tagged);
        untagged.extend(left_untagged);
        // GitHub asks for a tag alone: a part that has one becomes the last image, should its index go
        let tagged_parts: Vec<_> = all.filter(has_tag).filter(is_image).collect();
        let last: [(Vec<usize>, Reason); 4] = [
            (tagged, Reason::LastTaggedImage),
            (tagged_parts, Reason::LastTaggedImage),
            (untagged, Reason::LastVersion),
            (referrers, Reason::LastVersion),
        ];
        // the first kind that there is at all decides
        let (kind, reason) = last.into_iter().find(|(kind, _)| !kind.is_empty())?;
        kind.first().filter(|_| kind.iter().all(|place| goes[*place])).map(|newest| (*newest, reason))
    }

    /// Whether every version goes and the package may go with them.
    fn goes_whole(&self) -> bool {
        self.delete_empty_package && !self.versions.is_empty() && self.outlook().goes.iter().all(|goes| *goes)
    }

    /// How many versions would be changed.
    pub(super) fn changes(&self) -> usize {
        let outlook = self.outlook();
        outlook.order.len() + outlook.loses_tags.iter().filter(|loses| **loses).count()
    }

    /// Whether something would go, were it not the last image.
    pub(super) fn retains(&self) -> bool {
        self.withheld.values().any(|(decision, _)| *decision == Decision::Retain)
    }

    /// How many versions there are.
    pub(super) fn size(&self) -> usize {
        self.versions.len()
    }

    /// What goes: what is picked, with what goes along, without what anything that stays needs;
    /// and on whose behalf that stays.
    fn going(&self, picked: Vec<bool>) -> (Vec<bool>, Vec<Option<usize>>) {
        let mut goes = picked;
        let mut queue: Vec<usize> = (0..goes.len()).filter(|place| goes[*place]).collect();
        while let Some(place) = queue.pop() {
            for part in self.graph.needs(place) {
                if self.follows[part] && !goes[part] && !self.withheld.contains_key(&part) {
                    goes[part] = true;
                    queue.push(part);
                }
            }
        }
        // roots first, since they are what a part is known by
        let stays = (0..goes.len()).filter(|place| !goes[*place]);
        let (roots, parts): (Vec<_>, Vec<_>) = stays.partition(|place| self.graph.role(*place) == Role::Root);
        let needed = self.graph.closure(roots.into_iter().chain(parts));
        for (goes, needed) in goes.iter_mut().zip(&needed) {
            *goes &= needed.is_none();
        }
        (goes, needed)
    }

    fn outlook(&self) -> Outlook {
        let picked = |also_by_some_tags: bool| -> Vec<bool> {
            let is_picked = |pick: &Pick| also_by_some_tags || pick.untag.is_empty();
            let is_free = |place: &usize| self.hold.is_none() && !self.withheld.contains_key(place);
            let picks = self.picks.iter().enumerate();
            picks.map(|(place, pick)| pick.as_ref().is_ok_and(is_picked) && is_free(&place)).collect()
        };
        // tags go where a version that has no others would have gone
        let (mut goes, mut needed) = self.going(picked(true));
        let mut loses_tags: Vec<_> =
            goes.iter().enumerate().map(|(place, goes)| *goes && !self.untags(place).is_empty()).collect();
        if loses_tags.contains(&true) {
            (goes, needed) = self.going(picked(false));
            // what goes along with an image goes with all its tags
            loses_tags.iter_mut().zip(&goes).for_each(|(loses, goes)| *loses &= !goes);
        }
        let (order, image) = self.order(&goes);
        Outlook { goes, loses_tags, needed, order, image }
    }

    /// The tags that go of a version that stays.
    fn untags(&self, place: usize) -> &[String] {
        self.picks[place].as_ref().map(|pick| pick.untag.as_slice()).unwrap_or_default()
    }

    /// What goes, each after everything that needs it, and the image that a part goes with.
    fn order(&self, goes: &[bool]) -> (Vec<usize>, HashMap<usize, usize>) {
        let needers = |place: usize| self.graph.needed_by(place).filter(|needer| goes[*needer]);
        let going = (0..goes.len()).filter(|place| goes[*place]);
        let mut waiting: BTreeMap<usize, usize> = going.map(|place| (place, needers(place).count())).collect();
        let mut ready: BTreeSet<usize> =
            waiting.iter().filter(|(_, count)| **count == 0).map(|(place, _)| *place).collect();
        let (mut order, mut image) = (Vec::new(), HashMap::<usize, usize>::new());
        while let Some(place) = ready.pop_first().or_else(|| self.first_of_a_circle(&waiting, goes)) {
            waiting.remove(&place);
            if let Some(needer) =
                needers(place).filter(|needer| !waiting.contains_key(needer) && *needer != place).min()
            {
                image.insert(place, image.get(&needer).copied().unwrap_or(needer));
            }
            order.push(place);
            for part in self.graph.needs(place) {
                if let Some(count) = waiting.get_mut(&part) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        ready.insert(part);
                    }
                }
            }
        }
        (order, image)
    }

    /// Where what is left waits for one another: one of a circle that waits for nothing but itself,
    /// and rather an index than what it lists, what is needed by what went before, what is picked.
    fn first_of_a_circle(&self, waiting: &BTreeMap<usize, usize>, goes: &[bool]) -> Option<usize> {
        let leads = |place: &usize| self.graph.leads_a_circle(*place, |other| waiting.contains_key(&other));
        let is_reached =
            |place: usize| self.graph.needed_by(place).any(|needer| goes[needer] && !waiting.contains_key(&needer));
        waiting.keys().copied().filter(leads).min_by_key(|place| {
            let is_listed = self.graph.parents(*place).iter().any(|parent| waiting.contains_key(parent));
            (is_listed, !is_reached(*place), self.picks[*place].is_err(), *place)
        })
    }

    /// The plan of the package as it stands.
    pub(super) fn into_plan(self) -> PackagePlan {
        let outlook = self.outlook();
        let rank: HashMap<_, _> = outlook.order.iter().enumerate().map(|(rank, place)| (*place, rank)).collect();
        let mut verdicts: Vec<_> = (0..self.versions.len()).map(|place| self.verdict(place, &outlook, &rank)).collect();
        let decision = self.goes_whole().then_some(Decision::Delete);
        let needed_by = needed_by(&verdicts);
        if let Some(planned) = self.planned {
            verdicts.extend(planned.not_there(&self.versions, &self.deleted));
        }
        PackagePlan {
            decision,
            package: self.package,
            active: self.active,
            verdicts,
            hold: self.hold,
            manifests: self.manifests,
            deleted: self.deleted,
            there: Vec::new(),
            needed_by,
        }
    }

    fn verdict(&self, place: usize, outlook: &Outlook, rank: &HashMap<usize, usize>) -> Verdict {
        let version = &self.versions[place];
        let (decision, reason) = self.decision(place, outlook);
        // tags come off after all deletions, and only if everything that needs the version went
        let own = rank.get(&place).copied().unwrap_or(rank.len());
        let goes_before = |needer: &usize| rank.get(needer).is_some_and(|rank| *rank < own);
        let verdict = Verdict {
            role: self.graph.role(place),
            image: outlook.image.get(&place).copied(),
            after: self.graph.needed_by(place).filter(goes_before).collect(),
            untag: if decision == Decision::Untag { self.untags(place).to_vec() } else { Vec::new() },
            ..Verdict::alone(version.clone(), decision, reason)
        };
        let Some(planned) = &self.planned else { return verdict };
        let needer = outlook.needed[place].filter(|_| matches!(verdict.reason, Reason::NeededBy(_)));
        let is_left_for_later = |needer| matches!(self.withheld.get(&needer), Some((_, Reason::Limit(_))));
        match needer {
            // it goes along with what needs it, in the next run
            Some(needer) if is_left_for_later(needer) => verdict,
            Some(needer) => planned.hold_to(verdict, planned.takes(self.versions[needer].id)),
            None => planned.hold_to(verdict, false),
        }
    }

    fn decision(&self, place: usize, outlook: &Outlook) -> (Decision, Reason) {
        let version = &self.versions[place];
        if let Some(withheld) = self.withheld.get(&place) {
            return withheld.clone();
        }
        let pick = self.picks[place].clone();
        if outlook.loses_tags[place] {
            return (Decision::Untag, pick.map_or_else(|reason| reason, |pick| pick.reason));
        }
        if outlook.goes[place] {
            let image = outlook.image.get(&place).copied();
            // in a circle, what goes first may be picked for the sake of another
            let with = image.or_else(|| self.graph.needed_by(place).find(|needer| outlook.goes[*needer]));
            let part_of = with.map(|with| Reason::PartOf(name_of(&self.versions[with])));
            return match (pick, part_of) {
                (Ok(pick), _) if image.is_none() || version.own_tags().next().is_some() => {
                    (Decision::Delete, pick.reason)
                }
                (_, Some(part_of)) => (Decision::Delete, part_of),
                (Ok(pick), None) => (Decision::Delete, pick.reason),
                // only what is picked or goes along can be said to go
                (Err(reason), None) => (Decision::Keep, reason),
            };
        }
        let needed = outlook.needed[place].map(|needer| Reason::NeededBy(name_of(&self.versions[needer])));
        let reason = match (pick, needed) {
            (Ok(_), _) if self.hold.is_some() => Reason::Held,
            (Ok(_), Some(needed)) => needed,
            (Ok(pick), None) => pick.reason,
            // that it is untagged, or hangs on another, says less than who needs it
            (Err(Reason::NothingAsked | Reason::NotTagged | Reason::NotSwept | Reason::RefersTo(_)), Some(needed)) => {
                needed
            }
            (Err(reason), _) => reason,
        };
        (Decision::Keep, reason)
    }
}

/// `version-ids` that are not there: nothing of the package goes then, since the user means
/// something else than what is.
fn absent(wanted: &[VersionReference], versions: &[Version]) -> Option<Hold> {
    let absent: Vec<_> = wanted
        .iter()
        .filter(|reference| !versions.iter().any(|version| pick::is(reference, version)))
        .map(ToString::to_string)
        .collect();
    (!absent.is_empty()).then(|| {
        Hold::Failed(format!(
            "version-ids: {} not among the package's {} versions; nothing was deleted. Perhaps deleted already, or an \
             id of another package",
            absent.join(", "),
            versions.len()
        ))
    })
}

/// What needs a part that goes, by ids, where that is not the image it goes with alone: whoever brings
/// them back cannot read it from manifests.
fn needed_by(verdicts: &[Verdict]) -> BTreeMap<u64, Vec<u64>> {
    let id = |place: &usize| verdicts.get(*place).map(|verdict| verdict.version.id);
    let parts = verdicts.iter().filter(|verdict| verdict.decision == Decision::Delete).filter_map(|verdict| {
        let needers: Vec<u64> = verdict.after.iter().filter_map(id).collect();
        (needers != Vec::from_iter(id(&verdict.image?))).then_some((verdict.version.id, needers))
    });
    parts.collect()
}
