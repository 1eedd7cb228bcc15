//! Whether what would be begun now could be ended: within the points, the hourly limit, and the run's time.

use super::{Applier, queue::Queue};
use crate::report::{CutShort, Mode, PackageReport};

impl Applier<'_> {
    /// Sees to it that no image is begun that could not be ended. Returns why.
    pub(super) fn close_without_room(&self, index: usize, queue: &mut Queue, looks: usize) -> Option<CutShort> {
        let why = self.no_room_for_next(index, queue, looks);
        if why.is_some() {
            queue.close();
        }
        why
    }

    /// Why an image that would be begun now could not be ended. `looks` are listings that come before it.
    fn no_room_for_next(&self, index: usize, queue: &Queue, looks: usize) -> Option<CutShort> {
        let size = queue.size_of_next_image()?;
        // what is in flight is paid for
        let changes = size + queue.left_of_begun().saturating_sub(self.github.lane().in_flight());
        self.no_room_for(index, changes, looks)
    }

    /// Why so many changes in a package could not be made, with so many listings before them, one every
    /// minute between them, and the last look: within the primary limit, its reserve and the longest
    /// wait, or within the run's own time.
    pub(super) fn no_room_for(&self, index: usize, changes: usize, looks: usize) -> Option<CutShort> {
        let pages = pages_of(&self.report.packages[index]);
        let pages_a_minute = if self.report.mode == Mode::Delete { pages } else { 0 };
        let reads = pages * (looks + usize::from(self.verify));
        match self.github.lane().time_for(changes, pages_a_minute, reads) {
            Err(_) => Some(CutShort::Limit),
            Ok(time) => (self.clock.elapsed().saturating_add(time) > self.until).then_some(CutShort::Time),
        }
    }
}

/// How many pages a listing of a package has, about.
pub(super) fn pages_of(package: &PackageReport) -> usize {
    package.versions.len() / 100 + 1
}
