// A report as `homeroom bench fanout --json` printed it once, and what a run of two peers may have measured.

export const FANOUT = `{"bench":"fanout","results":{"client_busy":0.466574,"cpu_seconds":0.16,\
"cpu_seconds_per_million_deliveries":9.07029,"deliveries":17640,"deliveries_per_second":58788.4,"messages":882,\
"rss_bytes":6246400,"seconds":0.300059},"settings":{"body":200,"connecting":50,"destination":null,\
"heart_beat":"0,0","host":"homeroom","in_flight":1,"messages":null,"not_persistent":false,"receivers":20,"rooms":1,\
"seconds":0.3,"subscribe_headers":[],"unique_ids":false,"warm_up_seconds":0.1},"url":"ws://127.0.0.1:42011/"}
`;

export const RAW = { name: "raw", title: "raw sockets" };
export const HOMEROOM = { name: "homeroom", title: "Homeroom" };
export const PEERS = [RAW, { name: "rabbitmq", title: "Rabbit & <Co>" }, HOMEROOM];

export const FANOUT_WORK = {
  name: "fanout",
  peers: ["raw", "rabbitmq", "homeroom"],
  rows: [
    { key: "cpu", unit: "CPU s", title: "Fan-out", goal: { most: 1.1 } },
    { key: "rss", unit: "KiB", scale: 1 / 1024, title: "Memory", base: null, goal: { value: 5 } },
  ],
};

export const AWAY_WORK = {
  name: "away",
  peers: ["homeroom"],
  rows: [{ key: "cpu", unit: "CPU s", title: "Away", more: true, base: { work: "fanout" }, goal: { least: 0.95 } }],
};

/** `cpu` of each round for one peer in one work. */
export const measured = (work, peer, values) =>
  values.map((cpu, index) => ({
    work,
    peer,
    round: index + 1,
    ...(cpu === undefined ? { error: "it fell over" } : { figures: { cpu, rss: 4096 }, results: { client_busy: 0.5 } }),
  }));
