//! A plant: PLCs, SCADA servers, sensors, and ECUs on a test bench, as JSON lines with ECS names.
//! In: chance. Out: lines on the stage.

use super::Origin::Ot;
use super::stage::{Stage, number};

/// Where engineers work on PLCs from. Anywhere else is unexpected.
pub(super) const ENGINEERING: [&str; 2] = ["10.30.1.10", "10.30.1.11"];
/// The SCADA servers.
const SCADA: [(&str, &str); 2] = [("scada-01", "10.30.0.10"), ("scada-02", "10.30.0.11")];
pub(super) const PLCS: [(&str, &str); 8] = [
    ("plc-01", "mixing"),
    ("plc-02", "mixing"),
    ("plc-03", "filling"),
    ("plc-04", "filling"),
    ("plc-05", "packing"),
    ("plc-06", "packing"),
    ("plc-07", "utilities"),
    ("plc-08", "wastewater"),
];
const ENGINEERS: [&str; 3] = ["eng.vogel", "eng.okafor", "eng.lindqvist"];

/// A sensor; values are in tenths of its unit.
pub(super) struct Sensor {
    pub(super) id: &'static str,
    pub(super) zone: &'static str,
    kind: &'static str,
    unit: &'static str,
    pub(super) min: i64,
    pub(super) max: i64,
}

const fn sensor(
    id: &'static str,
    zone: &'static str,
    kind: &'static str,
    unit: &'static str,
    (min, max): (i64, i64),
) -> Sensor {
    Sensor { id, zone, kind, unit, min, max }
}

pub(super) const SENSORS: [Sensor; 12] = [
    sensor("temp-01", "mixing", "temperature", "C", (400, 850)),
    sensor("temp-02", "mixing", "temperature", "C", (400, 850)),
    sensor("temp-03", "utilities", "temperature", "C", (50, 300)),
    sensor("press-01", "mixing", "pressure", "kPa", (1000, 4000)),
    sensor("press-02", "utilities", "pressure", "kPa", (3000, 8000)),
    sensor("flow-01", "filling", "flow", "l/min", (200, 1200)),
    sensor("flow-02", "wastewater", "flow", "l/min", (100, 2500)),
    sensor("level-01", "mixing", "level", "%", (100, 950)),
    sensor("level-02", "wastewater", "level", "%", (50, 900)),
    sensor("vib-01", "packing", "vibration", "mm/s", (0, 71)),
    sensor("vib-02", "utilities", "vibration", "mm/s", (0, 71)),
    sensor("ph-01", "wastewater", "ph", "pH", (60, 90)),
];

/// One event of a device.
pub(super) struct Event<'a> {
    pub(super) category: &'a str,
    pub(super) kind: &'a str,
    pub(super) action: &'a str,
    pub(super) outcome: &'a str,
    /// id, type, zone
    pub(super) device: [&'a str; 3],
    /// address and user
    pub(super) actor: Option<[&'a str; 2]>,
    /// The rest of the object: `,"value":1.5`
    pub(super) rest: &'a str,
}

/// Writes an event as a JSON line.
pub(super) fn report(stage: &mut Stage, time: i64, event: &Event<'_>) -> (i64, u64) {
    let mut line = String::with_capacity(420);
    line.push_str("{\"@timestamp\":\"");
    stage.instant(&mut line, time);
    let [id, device, zone] = event.device;
    for part in [
        "\",\"event.kind\":\"event\",\"event.category\":[\"",
        event.category,
        "\"],\"event.type\":[\"",
        event.kind,
        "\"],\"event.action\":\"",
        event.action,
        "\",\"event.outcome\":\"",
        event.outcome,
        "\",\"event.module\":\"ot\",\"event.dataset\":\"ot.",
        device,
        "\",\"device.id\":\"",
        id,
        "\",\"device.type\":\"",
        device,
        "\",\"device.zone\":\"",
        zone,
        "\"",
    ] {
        line.push_str(part);
    }
    if let Some([address, user]) = event.actor {
        for part in [",\"source.ip\":\"", address, "\",\"user.name\":\"", user, "\""] {
            line.push_str(part);
        }
    }
    line.push_str(event.rest);
    line.push('}');
    stage.write(time, Ot, line)
}

/// What a sensor measures: a value in tenths; outside its bounds it is reported as a failure.
pub(super) fn reading(stage: &mut Stage, time: i64, sensor: &Sensor, value: i64) -> (i64, u64) {
    let within = (sensor.min..=sensor.max).contains(&value);
    let mut rest = String::with_capacity(120);
    for part in [",\"quantity\":\"", sensor.kind, "\",\"unit\":\"", sensor.unit, "\",\"value\":"] {
        rest.push_str(part);
    }
    tenths(&mut rest, value);
    rest.push_str(",\"min\":");
    tenths(&mut rest, sensor.min);
    rest.push_str(",\"max\":");
    tenths(&mut rest, sensor.max);
    if !within {
        rest.push_str(",\"event.reason\":\"out_of_range\"");
    }
    let event = Event {
        category: "host",
        kind: "info",
        action: "sensor_reading",
        outcome: if within { "success" } else { "failure" },
        device: [sensor.id, "sensor", sensor.zone],
        actor: None,
        rest: &rest,
    };
    report(stage, time, &event)
}

fn tenths(line: &mut String, value: i64) {
    if value < 0 {
        line.push('-');
    }
    number(line, value.unsigned_abs() / 10);
    line.push('.');
    number(line, value.unsigned_abs() % 10);
}

/// Where each sensor's value stands.
pub(super) struct Author {
    values: [i64; SENSORS.len()],
}

impl Author {
    pub(super) fn new() -> Author {
        Author { values: std::array::from_fn(|at| (SENSORS[at].min + SENSORS[at].max) / 2) }
    }

    /// Something ordinary happens at `time`.
    pub(super) fn act(&mut self, stage: &mut Stage, time: i64) {
        match stage.random.below(1000) {
            0..600 => self.measure(stage, time),
            600..830 => frame(stage, time),
            830..930 => write_register(stage, time),
            930..985 => heartbeat(stage, time),
            985..998 => operator(stage, time),
            _ => maintenance(stage, time),
        }
    }

    /// Values wander in the middle three fifths of their range.
    fn measure(&mut self, stage: &mut Stage, time: i64) {
        let at = stage.random.below(SENSORS.len() as u64) as usize;
        let sensor = &SENSORS[at];
        let (span, middle) = (sensor.max - sensor.min, (sensor.min + sensor.max) / 2);
        let step = stage.random.between(-span / 50 - 1, span / 50 + 2) + (middle - self.values[at]) / 20;
        self.values[at] = (self.values[at] + step).clamp(sensor.min + span / 5, sensor.max - span / 5);
        reading(stage, time, sensor, self.values[at]);
    }
}

fn frame(stage: &mut Stage, time: i64) {
    const FRAMES: [(&str, &str, &str); 5] = [
        ("ecu-engine", "0x1a0", "engine_speed"),
        ("ecu-brake", "0x2b4", "wheel_speed"),
        ("ecu-steer", "0x0c6", "steering_angle"),
        ("ecu-battery", "0x3e9", "cell_voltage"),
        ("ecu-gateway", "0x7df", "diagnostic"),
    ];
    let (id, can, signal) = FRAMES[stage.random.below(FRAMES.len() as u64) as usize];
    let data = stage.random.next();
    let rest = format!(",\"can.id\":\"{can}\",\"can.dlc\":8,\"can.data\":\"{data:016x}\",\"signal\":\"{signal}\"");
    let device = [id, "ecu", "test-bench"];
    let event = Event {
        category: "network",
        kind: "info",
        action: "ecu_frame",
        outcome: "success",
        device,
        actor: None,
        rest: &rest,
    };
    report(stage, time, &event);
}

fn write_register(stage: &mut Stage, time: i64) {
    let at = stage.random.below(PLCS.len() as u64) as usize;
    let (plc, zone) = PLCS[at];
    // Each PLC takes its set points from one server.
    let (_, address) = SCADA[at % SCADA.len()];
    let (register, value) = (40_001 + stage.random.below(60), stage.random.below(1000));
    let rest = format!(",\"network.protocol\":\"modbus\",\"register\":{register},\"value\":{value}");
    let event = Event {
        category: "host",
        kind: "change",
        action: "register_write",
        outcome: "success",
        device: [plc, "plc", zone],
        actor: Some([address, "scada"]),
        rest: &rest,
    };
    report(stage, time, &event);
}

fn heartbeat(stage: &mut Stage, time: i64) {
    let (plc, zone) = PLCS[stage.random.below(PLCS.len() as u64) as usize];
    let rest = format!(",\"mode\":\"run\",\"cycle_ms\":{}", 8 + stage.random.below(5));
    let device = [plc, "plc", zone];
    let event = Event {
        category: "host",
        kind: "info",
        action: "plc_status",
        outcome: "success",
        device,
        actor: None,
        rest: &rest,
    };
    report(stage, time, &event);
}

fn operator(stage: &mut Stage, time: i64) {
    let (scada, _) = SCADA[stage.random.below(2) as usize];
    let user = stage.random.pick(&["op.early", "op.late", "op.night"]);
    let event = Event {
        category: "authentication",
        kind: "start",
        action: "scada_login",
        outcome: "success",
        device: [scada, "scada", "control-room"],
        actor: Some(["10.30.0.50", user]),
        rest: "",
    };
    report(stage, time, &event);
}

/// An engineer, at the engineering station, stops a PLC and starts it again: announced, as the reason says.
fn maintenance(stage: &mut Stage, time: i64) {
    let (plc, zone) = PLCS[stage.random.below(PLCS.len() as u64) as usize];
    let actor = Some([stage.random.pick(&ENGINEERING), stage.random.pick(&ENGINEERS)]);
    let end = time + stage.linger.min(60_000_000);
    for (at, rest) in [
        (time, ",\"event.reason\":\"maintenance\",\"from\":\"run\",\"to\":\"stop\""),
        (end, ",\"event.reason\":\"maintenance\",\"from\":\"stop\",\"to\":\"run\""),
    ] {
        let device = [plc, "plc", zone];
        let (category, kind, action) = ("host", "change", "plc_mode_change");
        report(stage, at, &Event { category, kind, action, outcome: "success", device, actor, rest });
    }
}
