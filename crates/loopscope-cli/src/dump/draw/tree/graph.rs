//! Who waits for whom, and which subtrees look alike. Iterative throughout: a chain of waits can be as
//! long as there are tasks.

use std::collections::HashMap;

use loopscope_engine::dump::DumpReport;

/// The graph of waits.
pub(super) struct Graph {
    /// Tasks that nobody awaits, and one of each circle that no such task leads to.
    pub(super) roots: Vec<usize>,
    children: Vec<Vec<usize>>,
    parents: Vec<u32>,
    /// Equal for subtrees that look alike.
    shapes: Vec<usize>,
}

/// What a subtree looks like: its task's place, and its children's shapes in order.
#[derive(PartialEq, Eq, Hash)]
enum Look {
    /// A task that several await is itself and looks like no other.
    Shared(usize),
    /// A circle closes here.
    Open(usize),
    /// Any other.
    Tree(Option<usize>, Vec<usize>),
}

impl Graph {
    pub(super) fn of(report: &DumpReport) -> Self {
        let children = children(report);
        let mut parents = vec![0_u32; children.len()];
        for child in children.iter().flatten() {
            parents[*child] += 1;
        }
        let roots = roots(&children, &parents);
        let shapes = shapes(&children, &parents, &groups(report));
        Self {
            roots,
            children,
            parents,
            shapes,
        }
    }

    /// What a task waits for.
    pub(super) fn children(&self, task: usize) -> &[usize] {
        self.children.get(task).map_or(&[], Vec::as_slice)
    }

    /// Whether several tasks await this one.
    pub(super) fn is_shared(&self, task: usize) -> bool {
        self.parents.get(task).is_some_and(|parents| *parents > 1)
    }

    /// Siblings put together where their subtrees look alike, in the order of the first of each.
    pub(super) fn folded(&self, tasks: &[usize]) -> Vec<Vec<usize>> {
        let mut folded: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<usize, usize> = HashMap::new();
        for task in tasks {
            let shape = self.shapes.get(*task).copied().unwrap_or(usize::MAX);
            let entry = *known.entry(shape).or_insert_with(|| {
                folded.push(Vec::new());
                folded.len() - 1
            });
            folded[entry].push(*task);
        }
        folded
    }
}

/// Both directions together: what a task says that it waits for, and who is said to await it.
fn children(report: &DumpReport) -> Vec<Vec<usize>> {
    let count = report.tasks.len();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (index, task) in report.tasks.iter().enumerate() {
        let waited = task.waits_for.iter().flat_map(|wait| &wait.task_indexes);
        children[index].extend(waited.filter(|child| **child < count));
        for parent in &task.awaited_by {
            if let Some(of_parent) = children.get_mut(*parent) {
                of_parent.push(index);
            }
        }
    }
    for of_one in &mut children {
        of_one.sort_unstable();
        of_one.dedup();
    }
    children
}

fn roots(children: &[Vec<usize>], parents: &[u32]) -> Vec<usize> {
    let all = 0..children.len();
    let mut roots: Vec<usize> = all.clone().filter(|task| parents[*task] == 0).collect();
    let mut is_reached = vec![false; children.len()];
    for root in &roots {
        reach(*root, children, &mut is_reached);
    }
    for task in all {
        if !is_reached[task] {
            roots.push(task);
            reach(task, children, &mut is_reached);
        }
    }
    roots
}

fn reach(task: usize, children: &[Vec<usize>], is_reached: &mut [bool]) {
    let mut left = vec![task];
    while let Some(task) = left.pop() {
        if !is_reached[task] {
            is_reached[task] = true;
            left.extend(&children[task]);
        }
    }
}

/// The group of each task.
fn groups(report: &DumpReport) -> Vec<Option<usize>> {
    let mut groups = vec![None; report.tasks.len()];
    for (group, found) in report.task_groups.iter().enumerate() {
        for task in &found.task_indexes {
            if let Some(entry) = groups.get_mut(*task) {
                *entry = Some(group);
            }
        }
    }
    groups
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Closed,
}

/// Numbers for shapes, found from the leaves up.
fn shapes(children: &[Vec<usize>], parents: &[u32], groups: &[Option<usize>]) -> Vec<usize> {
    let mut numbers: HashMap<Look, usize> = HashMap::new();
    let mut shapes = vec![0; children.len()];
    let mut visits = vec![Visit::New; children.len()];
    for root in 0..children.len() {
        let mut left = vec![root];
        while let Some(&task) = left.last() {
            if visits[task] == Visit::New {
                visits[task] = Visit::Open;
                left.extend(
                    children[task]
                        .iter()
                        .filter(|child| visits[**child] == Visit::New),
                );
                continue;
            }
            left.pop();
            if visits[task] == Visit::Closed {
                continue;
            }
            visits[task] = Visit::Closed;
            let look = look(
                task,
                children,
                parents,
                groups,
                &shapes,
                &visits,
                &mut numbers,
            );
            shapes[task] = number(&mut numbers, look);
        }
    }
    shapes
}

fn look(
    task: usize,
    children: &[Vec<usize>],
    parents: &[u32],
    groups: &[Option<usize>],
    shapes: &[usize],
    visits: &[Visit],
    numbers: &mut HashMap<Look, usize>,
) -> Look {
    if parents[task] > 1 {
        return Look::Shared(task);
    }
    let mut below: Vec<usize> = children[task]
        .iter()
        .map(|child| match visits[*child] {
            Visit::Closed => shapes[*child],
            Visit::New | Visit::Open => number(numbers, Look::Open(*child)),
        })
        .collect();
    below.sort_unstable();
    Look::Tree(groups[task], below)
}

fn number(numbers: &mut HashMap<Look, usize>, look: Look) -> usize {
    let next = numbers.len();
    *numbers.entry(look).or_insert(next)
}
