# Attempts: nothing hostile: paths, components, flows and ranks of graphs.
# Expect: completed works
import networkx

grid = networkx.grid_2d_graph(10, 10)
assert networkx.shortest_path_length(grid, (0, 0), (9, 9)) == 18
assert networkx.is_connected(grid) and networkx.is_bipartite(grid)
flow = networkx.DiGraph()
flow.add_weighted_edges_from([("s", "a", 3), ("s", "b", 2), ("a", "t", 2), ("b", "t", 3), ("a", "b", 1)], "capacity")
assert networkx.maximum_flow_value(flow, "s", "t") == 5
club = networkx.karate_club_graph()
ranks = networkx.pagerank(club)
assert max(ranks, key=ranks.get) == 33 and abs(sum(ranks.values()) - 1) < 1e-9
assert len(networkx.minimum_spanning_tree(club).edges) == 33
# Two thousand nodes in a row: deep, and without recursion.
assert networkx.dag_longest_path_length(networkx.path_graph(2000, networkx.DiGraph)) == 1999
try:
    networkx.shortest_path(networkx.empty_graph(2), 0, 1)
except networkx.NetworkXNoPath as error:
    print(error)
print([round(ranks[node], 6) for node in (0, 33, 2)])
print("works")
