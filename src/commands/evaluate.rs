//! `hostnorm evaluate`: labels and scores to figures.

use crate::cli::{Evaluate, Exit, Of};
use crate::evaluate::{self, Evaluation};
use crate::labelled::{self, Folder, Problem};

/// Reads what there is and shows the figures; exit code 0 or 1.
pub fn run(options: &Evaluate) -> Exit {
    match sets(options) {
        Ok(sets) => Exit::success(evaluate::show(&sets, options.per_series, options.style)),
        Err(problem) => Exit::failure(problem.to_string()),
    }
}

/// Each set by name, with its figures.
fn sets(options: &Evaluate) -> Result<Vec<(String, Evaluation)>, Problem> {
    let named = match &options.of {
        Of::Files { labels, scores, per_day, vus_window } => {
            vec![("all".to_owned(), vec![labelled::series(labels, scores, *per_day, *vus_window)?])]
        }
        Of::Folder { data, scores, set } => {
            let folder = Folder::open(data)?;
            let sets = set.as_deref().map_or_else(|| folder.sets(), |it| vec![it]);
            let of = |set: &str| Ok((set.to_owned(), folder.with_scores(set, scores)?));
            sets.into_iter().map(of).collect::<Result<Vec<_>, Problem>>()?
        }
    };
    Ok(named.into_iter().map(|(name, series)| (name, evaluate::figures(&series, options.limit))).collect())
}
