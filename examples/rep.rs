use hostnorm::engine;
use hostnorm::replay::*;
use hostnorm::rows::*;
use std::io::Write;
use std::path::Path;
fn env(k: &str, d: f64) -> f64 {
    std::env::var(k).ok().map_or(d, |x| x.parse().unwrap())
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let out = &a[1];
    let q: f64 = a[2].parse().unwrap();
    let only = a.get(3).cloned().unwrap_or_default();
    let man: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("/work/shared/quality/manifest.json").unwrap())
            .unwrap();
    std::fs::create_dir_all(out).unwrap();
    let mut n = 0usize;
    let mut busy = 0.0;
    for m in man["series"].as_array().unwrap() {
        let name = m["name"].as_str().unwrap();
        if !name.contains(&only) {
            continue;
        }
        let per = m["per_day"].as_f64().unwrap();
        let e = engine::Settings::default();
        let s = Settings {
            every: 86400.0 / per,
            limit: 5.0,
            release: e.release,
            smoothing: 1.0,
            half_life: e.half_life,
            quarantine: q,
            retrain: 86400.0,
            training: Default::default(),
            seed: env("SEED", 0.0) as u64,
            absence: env("ABS", 1.0),
            budget: std::env::var("BUDGET").unwrap_or("off".into()).parse().unwrap(),
        };
        let t0 = std::time::Instant::now();
        let mut row = Row::default();
        let mut r: Option<Replay> = None;
        let mut o = std::io::BufWriter::new(std::fs::File::create(format!("{out}/{name}.csv")).unwrap());
        writeln!(o, "score,top,an").unwrap();
        for part in ["train", "test"] {
            let mut t = Table::open(Path::new(&format!("/tmp/w/data/{name}.{part}.csv"))).unwrap();
            let d = t.columns().len();
            let r = r.get_or_insert_with(|| Replay::new(vec![0.0; d], &s));
            while t.next_row(&mut row).unwrap() {
                n += 1;
                let j = r.step(None, &row.values, &row.missing).unwrap();
                if part == "test" {
                    let mut top: Vec<usize> = (0..d).collect();
                    top.sort_by(|a, b| j.oddness[*b].total_cmp(&j.oddness[*a]));
                    top.truncate(30);
                    let t: Vec<String> = top.iter().map(|x| x.to_string()).collect();
                    writeln!(
                        o,
                        "{:.6},{},{}",
                        j.score.map_or(0.0, |s| s.held),
                        t.join(";"),
                        u8::from(j.episode.is_some())
                    )
                    .unwrap();
                }
            }
        }
        busy += t0.elapsed().as_secs_f64();
        eprintln!("{name} {:.0} rows/s so far", n as f64 / busy);
    }
}
