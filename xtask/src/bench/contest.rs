//! Several ways to run one program, held against each other: bare, watched, with what else watches it.
//!
//! All of them live side by side and take turns at slices of work, so that each slice has bare ones next to it. Several
//! generations of them are started, since two processes of one program differ for as long as they live.

use anyhow::Result;

use super::overhead::{Cost, Worker};
use super::stats::Spread;

/// What each slice cost: by generation, by contender, by slice.
pub(super) struct Contest(Vec<Vec<Vec<Cost>>>);

impl Contest {
    /// Runs `count` contenders, the first two of which are bare.
    pub(super) fn run(
        generations: usize,
        slices: usize,
        count: usize,
        start: impl Fn(usize) -> Result<Worker>,
    ) -> Result<Self> {
        let all: Result<Vec<_>> = (0..generations)
            .map(|_| generation(slices, count, &start))
            .collect();
        Ok(Self(all?))
    }

    /// A line for each contender.
    pub(super) fn print(&self, names: &[&str]) {
        println!(
            "{:32} {:>10}   {:24} {:24}",
            "", "µs", "speed, of bare", "processor time, of bare"
        );
        for (which, name) in names.iter().enumerate() {
            let wall = |cost: &Cost| Some(cost.wall_micros);
            let micros = self.0.iter().map(|costs| middle(&costs[which], wall));
            let micros = Spread::of(micros.flatten()).median();
            let slower = self.ratios(which, wall);
            let speed = slower.map_or(String::new(), |slower| {
                Spread::of(slower.iter().map(|ratio| 1.0 / ratio)).text()
            });
            let processor = self.ratios(which, |cost| cost.cpu_micros);
            let processor = processor.map_or(String::new(), |of_bare| Spread::of(of_bare).text());
            println!("{name:32} {micros:10.3}   {speed:24} {processor:24}");
        }
    }

    /// What one costs, of what it costs bare, once for each generation; `None` where there is no such figure. The first
    /// is held against the second, the others against both.
    fn ratios(&self, which: usize, pick: impl Fn(&Cost) -> Option<f64> + Copy) -> Option<Vec<f64>> {
        let bare: &[usize] = match which {
            0 => &[1],
            1 => &[0],
            _ => &[0, 1],
        };
        let of_generation = |costs: &Vec<Vec<Cost>>| -> Option<f64> {
            let rounds = costs[which].iter().enumerate().map(|(round, cost)| {
                let beside: Option<Vec<f64>> =
                    bare.iter().map(|one| pick(&costs[*one][round])).collect();
                let beside = beside?;
                Some(pick(cost)? * beside.len() as f64 / beside.iter().sum::<f64>())
            });
            let rounds: Option<Vec<f64>> = rounds.collect();
            Some(Spread::of(rounds?).median())
        };
        self.0.iter().map(of_generation).collect()
    }
}

/// All of them once. The order goes round, so that none always follows another.
fn generation(
    slices: usize,
    count: usize,
    start: &impl Fn(usize) -> Result<Worker>,
) -> Result<Vec<Vec<Cost>>> {
    let workers: Result<Vec<Worker>> = (0..count).map(start).collect();
    let mut workers = workers?;
    let mut costs: Vec<Vec<Cost>> = (0..count).map(|_| Vec::with_capacity(slices)).collect();
    // A few more, thrown away: the first find cold caches.
    let warm_up = slices / 8 + 1;
    for turn in 0..warm_up + slices {
        for place in 0..count {
            let which = (turn + place) % count;
            let cost = workers[which].slice()?;
            if turn >= warm_up {
                costs[which].push(cost);
            }
        }
    }
    Ok(costs)
}

fn middle(costs: &[Cost], pick: impl Fn(&Cost) -> Option<f64>) -> Option<f64> {
    let picked: Option<Vec<f64>> = costs.iter().map(pick).collect();
    Some(Spread::of(picked?).median())
}
