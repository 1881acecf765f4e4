//! Where the nodes of a run's graph stand. Layers by longest path, crossings few by barycentres, and wrapped into bands
//! like lines of text, so that a long pipeline fits the page instead of running out of it.

/// How large the parts of the drawing are, in CSS pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    pub node_width: i32,
    /// Between the layers, where the edges run.
    pub gutter: i32,
    /// Between the nodes of a layer.
    pub gap: i32,
    /// Between the bands.
    pub band_gap: i32,
    /// How many layers stand side by side.
    pub columns: usize,
}

/// A node to be placed. Needs are indices of other nodes; what is out of range is ignored.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub height: i32,
    pub needs: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub x: i32,
    pub y: i32,
    pub height: i32,
    pub band: usize,
    pub column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub from: usize,
    pub to: usize,
}

#[derive(Debug)]
pub(super) struct Layout {
    /// One an item, in the items' order.
    pub spots: Vec<Spot>,
    /// Without those that a longer way implies.
    pub edges: Vec<Edge>,
    /// The top of each band, and the height of the drawing at the end.
    pub bands: Vec<i32>,
    pub width: i32,
    pub height: i32,
}

/// Beyond this many edges the drawing is a thicket anyway: none is left out, and the order is the file's.
const MANY_EDGES: usize = 2_000;
const SWEEPS: usize = 4;

pub(super) fn lay_out(items: &[Item], measure: Measure) -> Layout {
    let mut edges: Vec<Edge> = Vec::new();
    for (to, item) in items.iter().enumerate() {
        edges.extend(
            item.needs
                .iter()
                .filter(|&&from| from < items.len() && from != to)
                .map(|&from| Edge { from, to }),
        );
    }
    edges.sort_by_key(|edge| (edge.from, edge.to));
    edges.dedup();

    let layer_of = layers(items.len(), &edges);
    if edges.len() <= MANY_EDGES {
        edges = without_implied(items.len(), edges);
    }
    let layers = ordered(&layer_of, &edges);
    place(items, &layers, edges, measure)
}

/// The longest path to each node (Kahn's order). A node on a circle, which no valid plan has, stays where it got to.
fn layers(count: usize, edges: &[Edge]) -> Vec<usize> {
    let mut layer = vec![0_usize; count];
    let mut open_needs = vec![0_usize; count];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    for edge in edges {
        open_needs[edge.to] += 1;
        after[edge.from].push(edge.to);
    }
    let mut ready: Vec<usize> = (0..count).filter(|&node| open_needs[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &next in &after[node] {
            layer[next] = layer[next].max(layer[node] + 1);
            open_needs[next] -= 1;
            if open_needs[next] == 0 {
                ready.push(next);
            }
        }
    }
    layer
}

/// Leaves out `a → c` where `a → b → … → c` says it already.
fn without_implied(count: usize, edges: Vec<Edge>) -> Vec<Edge> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    for edge in &edges {
        after[edge.from].push(edge.to);
    }
    let mut is_seen = vec![usize::MAX; count];
    let mut implied = vec![false; edges.len()];
    for from in 0..count {
        let mut stack: Vec<usize> = after[from].iter().flat_map(|&next| &after[next]).copied().collect();
        while let Some(node) = stack.pop() {
            if std::mem::replace(&mut is_seen[node], from) != from {
                stack.extend(&after[node]);
            }
        }
        let first = edges.partition_point(|edge| edge.from < from);
        for (index, edge) in edges[first..].iter().enumerate().take_while(|(_, edge)| edge.from == from) {
            implied[first + index] = is_seen[edge.to] == from && edge.to != from;
        }
    }
    edges.into_iter().zip(implied).filter(|(_, implied)| !implied).map(|(edge, _)| edge).collect()
}

/// The nodes of each layer from top to bottom: a few sweeps that move each node to the middle of its neighbours.
fn ordered(layer_of: &[usize], edges: &[Edge]) -> Vec<Vec<usize>> {
    let depth = layer_of.iter().max().map_or(0, |deepest| deepest + 1);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); depth];
    for (node, &layer) in layer_of.iter().enumerate() {
        layers[layer].push(node);
    }
    if edges.len() > MANY_EDGES {
        return layers;
    }
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); layer_of.len()];
    let mut after = before.clone();
    for edge in edges {
        before[edge.to].push(edge.from);
        after[edge.from].push(edge.to);
    }
    let mut rank = vec![0.0_f64; layer_of.len()];
    let renumber = |layer: &[usize], rank: &mut Vec<f64>| {
        // Centred, so that the middles of layers of different lengths lie on one line.
        let middle = (layer.len() as f64 - 1.0) / 2.0;
        for (index, &node) in layer.iter().enumerate() {
            rank[node] = index as f64 - middle;
        }
    };
    for layer in &layers {
        renumber(layer, &mut rank);
    }
    for sweep in 0..SWEEPS {
        let is_forward = sweep % 2 == 0;
        let neighbours = if is_forward { &before } else { &after };
        for step in 0..depth {
            let layer = &mut layers[if is_forward { step } else { depth - 1 - step }];
            let pull: Vec<f64> =
                layer.iter().map(|&node| mean(&neighbours[node], &rank).unwrap_or(rank[node])).collect();
            let mut pulled: Vec<(f64, usize)> = pull.into_iter().zip(layer.iter().copied()).collect();
            pulled.sort_by(|a, b| a.0.total_cmp(&b.0));
            *layer = pulled.into_iter().map(|(_, node)| node).collect();
            renumber(layer, &mut rank);
        }
    }
    layers
}

fn mean(nodes: &[usize], rank: &[f64]) -> Option<f64> {
    if nodes.is_empty() {
        return None;
    }
    Some(nodes.iter().map(|&node| rank[node]).sum::<f64>() / nodes.len() as f64)
}

fn place(items: &[Item], layers: &[Vec<usize>], edges: Vec<Edge>, measure: Measure) -> Layout {
    let mut spots = vec![Spot { x: 0, y: 0, height: 0, band: 0, column: 0 }; items.len()];
    let columns = balanced(layers.len(), measure.columns);
    let height_of = |layer: &[usize]| -> i32 {
        layer.iter().map(|&node| items[node].height + measure.gap).sum::<i32>() - measure.gap
    };
    let mut bands = Vec::new();
    let mut top = 0;
    for (band, chunk) in layers.chunks(columns).enumerate() {
        bands.push(top);
        let tallest = chunk.iter().map(|layer| height_of(layer)).max().unwrap_or(0);
        for (column, layer) in chunk.iter().enumerate() {
            let mut y = top + (tallest - height_of(layer)) / 2;
            for &node in layer {
                let height = items[node].height;
                let x = column as i32 * (measure.node_width + measure.gutter);
                spots[node] = Spot { x, y, height, band, column };
                y += height + measure.gap;
            }
        }
        top += tallest + measure.band_gap;
    }
    let height = (top - measure.band_gap).max(0);
    bands.push(height);
    let width = (columns as i32 * (measure.node_width + measure.gutter) - measure.gutter).max(0);
    Layout { spots, edges, bands, width, height }
}

/// How many layers a band holds when the bands are about equally long.
fn balanced(layers: usize, most: usize) -> usize {
    let most = most.max(1);
    layers.div_ceil(layers.div_ceil(most).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURE: Measure = Measure { node_width: 100, gutter: 20, gap: 10, band_gap: 30, columns: 3 };

    fn graph(needs: &[&[usize]]) -> Layout {
        let items: Vec<Item> = needs.iter().map(|needs| Item { height: 40, needs: needs.to_vec() }).collect();
        lay_out(&items, MEASURE)
    }

    #[test]
    fn a_node_stands_right_of_all_its_needs() {
        let layout = graph(&[&[], &[0], &[0, 1]]);
        assert_eq!(layout.spots.iter().map(|spot| spot.x).collect::<Vec<_>>(), [0, 120, 240]);
        assert_eq!(layout.edges, [Edge { from: 0, to: 1 }, Edge { from: 1, to: 2 }], "0 → 2 is implied");
    }

    #[test]
    fn a_long_chain_is_wrapped_into_equal_bands() {
        let layout = graph(&[&[], &[0], &[1], &[2]]);
        assert_eq!(layout.width, 220);
        assert_eq!(layout.spots[2], Spot { x: 0, y: 70, height: 40, band: 1, column: 0 });
        assert_eq!(layout.height, 110);
    }

    #[test]
    fn neighbours_stand_side_by_side() {
        // The file names them crosswise: 2 needs 1, 3 needs 0.
        let layout = graph(&[&[], &[], &[1], &[0]]);
        assert_eq!(layout.spots[2].y, layout.spots[1].y);
        assert_eq!(layout.spots[3].y, layout.spots[0].y);
    }

    #[test]
    fn no_graph_panics() {
        graph(&[]);
        graph(&[&[0]]);
        graph(&[&[1], &[0], &[7, 1]]);
        let wide: Vec<Item> =
            (0..1_000).map(|node| Item { height: 40, needs: (node / 2..node).take(30).collect() }).collect();
        assert_eq!(lay_out(&wide, MEASURE).spots.len(), 1_000);
    }
}
