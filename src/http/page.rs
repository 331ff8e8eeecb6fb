//! The page for people at `/`, and a page for each episode.
//!
//! All markup is made here on the server, so the page works without scripts; it then reloads itself now and then. The
//! script follows the events and fetches the page again. No asset comes from elsewhere.

use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use maud::Markup;

use super::app_state::AppState;
use super::message::{ProblemDetails, Request, Response, response_with_etag, whole, with};
use layout::PageLocation;

mod time_text;
mod signal_text;
mod state_summary;
mod page_query;
mod subject_history;
mod chart;
mod layout;
mod signal_charts;
mod page_tables;
mod forecasts;
mod command_buttons;
mod state_section;
mod overview;
mod scene;
mod episode_logs;
mod episode;

pub(super) use command_buttons::{accept, confirm, forget, reject, train};
pub(super) use episode::episode;
pub(super) use overview::overview;
pub(super) use page_query::{EPISODE_OPERATION, OVERVIEW_OPERATION};
pub(super) use state_summary::StateSummary;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// Only assets of this server, and no style or script within the markup.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The style of all pages.
pub(super) async fn page_style(_: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    Ok(asset(&request, "text/css; charset=utf-8", STYLE).await)
}

/// The script of the page.
pub(super) async fn page_script(_: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    Ok(asset(&request, "text/javascript; charset=utf-8", SCRIPT).await)
}

async fn asset(request: &Request, content_type: &'static str, text: &'static str) -> Response {
    // Asked for again each time, so that style and markup are always of the same version.
    guarded(with(response_with_etag(request, content_type, text).await, CACHE_CONTROL, "no-cache"))
}

/// A response with this page.
fn document(status: StatusCode, page: Markup) -> Response {
    let response = whole(status, "text/html; charset=utf-8", page.into_string());
    guarded(with(response, CACHE_CONTROL, "no-store"))
}

fn guarded(response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Without a referrer, a browser would send `Origin: null` with the buttons, as a page of another site may.
        (REFERRER_POLICY, "same-origin"),
    ];
    headers.into_iter().fold(response, |response, (name, value)| with(response, name, value))
}

/// The way from a page to `/`, if the route with this pattern answers with a page, and so its problems, too.
pub(super) fn root(pattern: &str) -> Option<&'static str> {
    match pattern.split('/').skip(1).collect::<Vec<_>>()[..] {
        [""] => Some(PageLocation::Overview.root()),
        ["episodes" | "actions", _] => Some("../"),
        ["episodes", _, _] => Some("../../"),
        _ => None,
    }
}

/// A problem as a page, because a browser asked; `root` is the way from the page to `/`.
pub(super) fn problem(problem: ProblemDetails, root: &'static str, telemetry_path: &str) -> Response {
    let mut response = document(problem.status, layout::problem(&problem, root, telemetry_path));
    response.headers_mut().extend(problem.headers);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::overview::OverviewData;
    use super::page_query::{PageQuery, RANGES};
    use super::subject_history::{BucketedSeries, SubjectHistory};
    use super::*;
    use crate::culprit::{
        ContainerOrService, ContainerOrServiceKind, ContainerUsage, Culprit, FrozenScene, KernelMessages,
        ProcessNameKey, ProcessUsage, Resource, SameNameProcesses, SceneMoment, SceneMount, SocketCount,
        UnrankedScene, UsageMeasure,
    };
    use crate::explanation::{Cause, EpisodeRecord, SubjectEvidence, explain};
    use crate::reading::{Reading, Subject, Timestamp};
    use crate::report::{Assessment, Episode, EpisodeTemplate, Report, ScoreDetails};
    use crate::store::TimeRange;

    fn culprit(text: &str) -> Culprit {
        Culprit {
            resource: Resource::Cpu,
            process: Some(text.into()),
            owner: Some(ContainerOrService { kind: ContainerOrServiceKind::Container, name: text.into() }),
            share: 1.0,
            value: 1.0,
            usual: 0.0,
            measure: UsageMeasure::Cpu,
        }
    }

    fn scene(text: &str) -> FrozenScene {
        let mut now = ProcessUsage::NONE;
        now.set(UsageMeasure::Cpu, 1.0);
        let container = ContainerOrService { kind: ContainerOrServiceKind::Service, name: text.into() };
        let owner = Some(container.clone());
        let containers = vec![ContainerUsage { container, now, usual: ProcessUsage::NONE }];
        let groups = vec![SameNameProcesses {
            key: ProcessNameKey { command: text.into(), owner },
            now,
            usual: ProcessUsage::NONE,
            ..SameNameProcesses::default()
        }];
        let mut scene = FrozenScene::new(
            SceneMoment::Peak,
            &UnrankedScene { groups, containers, ..UnrankedScene::default() },
            &[],
            &[],
        );
        scene.mounts = vec![SceneMount { mount_point: text.into(), used_ratio: 0.5 }];
        scene.sockets = vec![SocketCount { state: text.into(), count: 1.0 }];
        scene.kernel = Some(KernelMessages([(text.to_owned(), 1)].into()));
        scene
    }

    fn record(text: &str) -> EpisodeRecord {
        let cause = Cause {
            signal: text.into(),
            direction: Some(text.into()),
            contribution: Some(1.0),
            ..Cause::default()
        };
        EpisodeRecord {
            id: text.into(),
            kind: "container".into(),
            subject: text.into(),
            began: 100.0,
            ended: Some(200.0),
            last_seen: 200.0,
            lasted: Some(100.0),
            outcome: text.into(),
            peak: 2.0,
            causes: vec![cause],
            description: text.into(),
            severity: None,
            circumstances: Vec::new(),
            verdict: None,
            verdict_at: None,
            model: Some(text.into()),
            retained_from: None,
            retained_to: None,
            culprits: vec![culprit(text)],
            scenes: vec![scene(text)],
            templates: EpisodeTemplate::new(text, true).into_iter().collect(),
        }
    }

    /// All pages with this text wherever text comes from outside.
    fn pages(text: &str) -> String {
        let subject = Subject::Container(text.into());
        let assessment = Assessment {
            ready: true,
            details: Some(ScoreDetails::default()),
            episode: Some(Episode { since: Timestamp(100.0), peak: 2.0, lasted: 0.0 }),
            description: Some(text.into()),
            ..Assessment::default()
        };
        let assessments = [(subject.clone(), assessment.clone()), (Subject::Host, assessment)].into();
        let reading = Arc::new(Reading::new(Timestamp(300.0)));
        let report = Arc::new(Report { reading, assessments, ..Report::default() });
        let range = TimeRange { from: Timestamp(0.0), to: Timestamp(300.0) };
        let overview = |history| {
            let view = PageQuery { subject: subject.clone(), range: &RANGES[0], anomalies_only: true };
            let forecasts = Vec::new();
            OverviewData { view, report: Arc::clone(&report), range, history, forecasts, is_admin: true }
                .markup()
        };
        let mut scores = BucketedSeries::default();
        scores.add(1.0, 150.0, 2.0);
        let known = SubjectHistory { scores, episodes: vec![record(text)], ..SubjectHistory::default() };
        let facts = || SubjectEvidence {
            episodes: vec![record(text)],
            earlier: vec![record(text)],
            scores: vec![(Timestamp(150.0), 2.0)],
            ..SubjectEvidence::default()
        };
        let charts = episode::EpisodeCharts::of(&record(text), &facts());
        let explained = episode::markup(&record(text), &explain(&subject, facts()), &charts, true);
        let error = layout::problem(&ProblemDetails::new(StatusCode::NOT_FOUND, text), "../", text);
        let shell = layout::page(PageLocation::Below("../"), text, text, &explained);
        [overview(Ok(known)), overview(Err(text.into())), shell, error].map(Markup::into_string).concat()
    }

    /// What makes tags and ends attributes.
    fn delimiters(page: &str) -> [usize; 3] {
        ['<', '>', '"'].map(|it| page.matches(it).count())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_becomes_markup(text in "([<>\"'&/=a-z -]|\\PC){1,30}") {
            prop_assert_eq!(delimiters(&pages(&text)), delimiters(&pages("x")));
        }
    }

    /// The clock was set forward by an hour while it lasted.
    #[test]
    fn an_episode_lasted_as_long_as_its_readings_say() {
        let stepped = EpisodeRecord { ended: Some(3_800.0), last_seen: 3_800.0, ..record("x") };
        let facts = SubjectEvidence { episodes: vec![stepped.clone()], ..SubjectEvidence::default() };
        let charts = episode::EpisodeCharts::of(&stepped, &facts);
        let explained = explain(&Subject::Container("x".into()), facts);
        let page = episode::markup(&stepped, &explained, &charts, false).into_string();
        assert!(page.contains("<dt>Duration</dt><dd>1m40s</dd>"), "{page}");
        let list = page_tables::episodes(&[stepped], 0, "").into_string();
        assert!(list.contains("<td class=\"number\">1m40s</td>"), "{list}");
    }

    #[test]
    fn no_page_has_styles_or_scripts_within_its_markup() {
        let pages = pages("<script>alert(1)</script><b style='color: red'>");
        assert!(pages.contains("&lt;script&gt;") && !pages.contains("<b "));
        assert!(!pages.replace("<script src=", "").contains("<script") && !pages.contains("<style"));
        let attributes = pages.split('<').filter_map(|it| it.split('>').next());
        for tag in attributes.filter(|it| !it.starts_with('/')) {
            assert!(!tag.contains(" style=\"") && !tag.contains(" on"), "{tag}");
        }
    }
}
