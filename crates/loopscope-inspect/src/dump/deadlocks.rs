//! Circles of waits.
//!
//! Pure: a graph of numbered nodes in, circles out. Nodes that reach each other form a component
//! (Tarjan's algorithm, without recursion, for chains of waits are as long as a program makes them); in
//! each component of more than one node, or of one that waits for itself, one circle is followed.

/// Circles in a graph, one for each component that has any, each from its lowest node on.
pub(super) fn circles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let components = components(edges);
    let mut circles: Vec<Vec<usize>> = Vec::new();
    let mut is_told = vec![false; edges.len()];
    for start in 0..edges.len() {
        let component = components.get(start).copied();
        let told = component.and_then(|component| is_told.get_mut(component));
        let Some(told) = told.filter(|told| !**told) else {
            continue;
        };
        if let Some(circle) = circle_from(start, edges, &components) {
            *told = true;
            circles.push(circle);
        }
    }
    circles
}

/// The circle that is reached from a node inside its component; `None` for a component without one.
fn circle_from(start: usize, edges: &[Vec<usize>], components: &[usize]) -> Option<Vec<usize>> {
    let component = components.get(start)?;
    let mut path: Vec<usize> = Vec::new();
    let mut place = std::collections::HashMap::new();
    let mut node = start;
    loop {
        if let Some(first) = place.insert(node, path.len()) {
            let mut circle = path.split_off(first);
            let lowest = circle.iter().enumerate().min_by_key(|(_, node)| **node)?.0;
            circle.rotate_left(lowest);
            return Some(circle);
        }
        path.push(node);
        let mut next = edges.get(node)?.iter().copied();
        node = next.find(|next| components.get(*next) == Some(component))?;
    }
}

/// A place on the way of the search: a node, and how many of its edges were followed.
struct Visit {
    node: usize,
    followed: usize,
}

/// State of the search for components.
struct Search<'edges> {
    edges: &'edges [Vec<usize>],
    /// When a node was reached, 0 for not yet.
    reached: Vec<usize>,
    /// The earliest node that can be reached from a node.
    lowest: Vec<usize>,
    component: Vec<usize>,
    open: Vec<usize>,
    clock: usize,
}

/// No component yet.
const NONE: usize = usize::MAX;

/// For each node the number of its component, which is one of its nodes.
fn components(edges: &[Vec<usize>]) -> Vec<usize> {
    let count = edges.len();
    let mut search = Search {
        edges,
        reached: vec![0; count],
        lowest: vec![0; count],
        component: vec![NONE; count],
        open: Vec::new(),
        clock: 0,
    };
    for node in 0..count {
        if search.reached.get(node) == Some(&0) {
            search.from(node);
        }
    }
    search.component
}

impl Search<'_> {
    fn from(&mut self, start: usize) {
        let mut way = Vec::new();
        self.enter(start, &mut way);
        while let Some(visit) = way.last_mut() {
            let node = visit.node;
            let next = self
                .edges
                .get(node)
                .and_then(|next| next.get(visit.followed));
            visit.followed += 1;
            match next.copied() {
                Some(next) if self.reached.get(next) == Some(&0) => self.enter(next, &mut way),
                Some(next) => {
                    if self.component.get(next) == Some(&NONE) {
                        self.lower(node, self.reached.get(next).copied());
                    }
                }
                None => {
                    way.pop();
                    self.leave(node);
                    if let Some(before) = way.last() {
                        let lowest = self.lowest.get(node).copied();
                        self.lower(before.node, lowest);
                    }
                }
            }
        }
    }

    fn enter(&mut self, node: usize, way: &mut Vec<Visit>) {
        self.clock += 1;
        for times in [&mut self.reached, &mut self.lowest] {
            if let Some(time) = times.get_mut(node) {
                *time = self.clock;
            }
        }
        self.open.push(node);
        way.push(Visit { node, followed: 0 });
    }

    fn lower(&mut self, node: usize, to: Option<usize>) {
        if let (Some(lowest), Some(to)) = (self.lowest.get_mut(node), to) {
            *lowest = (*lowest).min(to);
        }
    }

    /// A node from which nothing earlier can be reached closes its component.
    fn leave(&mut self, node: usize) {
        if self.lowest.get(node) != self.reached.get(node) {
            return;
        }
        while let Some(member) = self.open.pop() {
            if let Some(component) = self.component.get_mut(member) {
                *component = node;
            }
            if member == node {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_circle_is_found_once() {
        let edges = vec![vec![1], vec![2], vec![0], vec![4], vec![3], vec![0]];
        assert_eq!(circles(&edges), [vec![0, 1, 2], vec![3, 4]]);
    }

    #[test]
    fn a_node_that_waits_for_itself_is_a_circle() {
        assert_eq!(circles(&[vec![0], vec![0]]), [vec![0]]);
    }

    #[test]
    fn waits_without_a_circle_are_none() {
        assert!(circles(&[vec![1, 2], vec![2], vec![], vec![9]]).is_empty());
    }

    #[test]
    fn a_circle_that_leads_into_another_is_found_beside_it() {
        let edges = vec![vec![2, 1], vec![0], vec![3], vec![2]];
        assert_eq!(circles(&edges), [vec![0, 1], vec![2, 3]]);
    }

    #[test]
    fn a_chain_of_a_million_waits_needs_no_deep_stack() {
        let count = 1_000_000;
        let edges: Vec<Vec<usize>> = (0..count).map(|node| vec![(node + 1) % count]).collect();
        assert_eq!(circles(&edges).first().map(Vec::len), Some(count));
    }
}
