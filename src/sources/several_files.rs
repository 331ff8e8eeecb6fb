//! Sources of several files, of which a host may lack some.

use super::SourceError;
use super::kernel_file::{KernelFile, KernelText, SkippedLines};
use crate::reading::{Reading, SubjectValues};

/// Sets the values of a file that a host may lack while it has another of the same source; a file that it lacks is one thing
/// that the source does not show.
pub(super) fn set_if_there(
    file: &mut KernelFile,
    set: impl FnOnce(KernelText<'_>, &mut SubjectValues) -> Result<SkippedLines, SourceError>,
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    match file.read() {
        Err(error @ (SourceError::Unavailable { .. } | SourceError::SwitchedOff { .. })) => {
            let mut skipped = SkippedLines::default();
            skipped.add(error);
            Ok(skipped)
        }
        outcome => set(outcome?, into),
    }
}

/// Notes what the files of a source do not show. Without the first one, the source is unavailable, which says enough.
///
/// # Errors
/// The first error.
pub(super) fn note_files<const N: usize>(
    outcomes: [Result<SkippedLines, SourceError>; N],
    into: &mut Reading,
) -> Result<(), SourceError> {
    let is_here = !matches!(outcomes.first(), Some(Err(SourceError::Unavailable { .. })));
    let mut note = |skipped: SkippedLines| {
        if is_here {
            skipped.add_to(into);
        }
    };
    outcomes.map(|it| it.map(&mut note)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_a_file_lacks_is_named_with_the_file() {
        let text = KernelText::of(Path::new("/proc/vmstat"), "");
        let mut skipped = SkippedLines::default();
        ["pswpin", "pgfault", "pswpout"].into_iter().for_each(|it| skipped.lacks(text, it));
        assert_eq!(skipped.take_lacking("pgfault").as_deref(), Some("/proc/vmstat has no pgfault"));
        assert_eq!(skipped.take_lacking("pgfault"), None);
        let missing = |path: &str| {
            let mut file = KernelFile::new(path.into());
            set_if_there(&mut file, |_, _| unreachable!(), &mut SubjectValues::default())
        };
        let mut reading = Reading::default();
        let outcomes = [Ok(skipped), missing("/absent/netstat"), missing("/absent/sockstat")];
        note_files(outcomes, &mut reading).unwrap();
        let said: Vec<(&str, usize)> = reading.omissions.iter().map(|it| (&*it.what, it.count)).collect();
        let absent =
            ["/absent/netstat does not exist on this host", "/absent/sockstat does not exist on this host"];
        assert_eq!(said, [("/proc/vmstat has no pswpin, pswpout", 2), (absent[0], 1), (absent[1], 1)]);
        // A source whose first file is missing is unavailable as a whole.
        let mut reading = Reading::default();
        let outcomes = [
            KernelFile::new("/absent/snmp".into()).read().map(|_| SkippedLines::default()),
            missing("/absent/netstat"),
        ];
        note_files(outcomes, &mut reading).unwrap_err();
        assert_eq!(reading.omissions, []);
    }
}
