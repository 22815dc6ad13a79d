//! The field table: every column an event can have, once.
//!
//! The Arrow schema, the rule type checker, SQL's view, completion and the docs are derived from
//! [`TABLE`]. Names are ECS (Elastic Common Schema) names; see
//! <https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html>.

use std::sync::Arc;

/// A position in [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// What a field holds, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text, dictionary-coded: few distinct values a batch are expected.
    Text,
    /// Text with mostly distinct values (messages, raw lines): stored plain.
    LongText,
    /// A list of texts; a comparison holds when any element does.
    TextList,
    /// An IP address, held as its canonical text (IPv4-mapped IPv6 becomes IPv4).
    Ip,
    /// A whole number, 0 to 65,535.
    U16,
    /// A whole number, 0 to 4,294,967,295.
    U32,
    /// A whole number, 0 to 2^64 − 1.
    U64,
    /// A signed whole number.
    I64,
    /// An instant: microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// An event id: 16 bytes.
    Id,
}

impl Type {
    /// Whether values are compared as numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Type::U16 | Type::U32 | Type::U64 | Type::I64)
    }

    /// Whether the in-memory column is dictionary-coded text ([`Type::Text`], [`Type::Ip`], [`Type::TextList`]).
    pub fn is_dictionary(self) -> bool {
        matches!(self, Type::Text | Type::Ip | Type::TextList)
    }

    /// Whether it is a list.
    pub fn is_list(self) -> bool {
        self == Type::TextList
    }

    /// The word used for this type in messages and docs.
    pub fn word(self) -> &'static str {
        match self {
            Type::Text | Type::LongText => "text",
            Type::TextList => "list of texts",
            Type::Ip => "address",
            Type::U16 | Type::U32 | Type::U64 | Type::I64 => "number",
            Type::Timestamp => "time",
            Type::Id => "event id",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Field {
    /// Dotted ECS name, the same in rules, SQL, JSON and the API.
    pub name: &'static str,
    /// What it holds.
    pub ty: Type,
    /// One line for docs, hover and completion.
    pub doc: &'static str,
}

macro_rules! fields {
    ($($konst:ident $name:literal $ty:ident $doc:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Position { $($konst,)* Len }
        /// Every column, in schema order. Fields of one prefix stand together.
        pub static TABLE: &[Field] = &[$(Field { name: $name, ty: Type::$ty, doc: $doc },)*];
        /// How many columns there are.
        pub const COUNT: usize = Position::Len as usize;
        $(#[doc = concat!("`", $name, "`: ", $doc)] pub const $konst: FieldId = FieldId(Position::$konst as u16);)*
    };
}

fields! {
    TIMESTAMP "@timestamp" Timestamp "when it happened; `ts` in SQL";
    MESSAGE "message" LongText "the text of the event, without its envelope";
    TAGS "tags" TextList "marks set by weir: parse_failure, repeated, clock_skew, late";
    EVENT_ID "event.id" Id "deterministic identity: same line, same time, same id";
    EVENT_INGESTED "event.ingested" Timestamp "when weir accepted it";
    EVENT_KIND "event.kind" Text "event, alert or metric";
    EVENT_CATEGORY "event.category" TextList "ECS category: authentication, iam, web, network, process …";
    EVENT_TYPE "event.type" TextList "ECS type: start, end, info, user, creation …";
    EVENT_ACTION "event.action" Text "what was done, e.g. ssh_login";
    EVENT_OUTCOME "event.outcome" Text "success, failure or unknown";
    EVENT_CODE "event.code" Text "the source's own event number, e.g. 4625";
    EVENT_PROVIDER "event.provider" Text "the program or channel that wrote it";
    EVENT_MODULE "event.module" Text "the family of the log, e.g. system, nginx";
    EVENT_DATASET "event.dataset" Text "the log within the family, e.g. system.auth";
    EVENT_SEVERITY "event.severity" I64 "the source's own severity number";
    EVENT_REASON "event.reason" Text "why it happened, as the source says it";
    EVENT_ORIGINAL "event.original" LongText "the raw line, kept as it came";
    LOG_LEVEL "log.level" Text "error, warn, notice, info …";
    LOG_FILE_PATH "log.file.path" Text "the file, or the address of the sender, it came from";
    LOG_OFFSET "log.offset" U64 "byte offset of the line in its file";
    LOG_MESSAGE_OFFSET "log.message_offset" U32 "where `message` starts in `event.original`, in characters, when it is its tail";
    LOG_SYSLOG_FACILITY "log.syslog.facility" U16 "syslog facility code, 0 to 23";
    LOG_SYSLOG_PRIORITY "log.syslog.priority" U16 "syslog priority: facility × 8 + severity";
    HOST_NAME "host.name" Text "the machine the event is about";
    HOST_IP "host.ip" Ip "its address";
    OBSERVER_NAME "observer.name" Text "the machine that saw it (firewall, sensor)";
    AGENT_ID "agent.id" Text "the collecting agent's persistent id";
    AGENT_NAME "agent.name" Text "the collecting agent's name";
    USER_NAME "user.name" Text "the account that acts";
    USER_ID "user.id" Text "its number or SID";
    USER_DOMAIN "user.domain" Text "its domain";
    USER_TARGET_NAME "user.target.name" Text "the account acted on";
    USER_EFFECTIVE_NAME "user.effective.name" Text "the account whose rights are used (sudo, su)";
    USER_GROUP_NAME "user.group.name" Text "the group acted on";
    SOURCE_IP "source.ip" Ip "the address it came from";
    SOURCE_PORT "source.port" U16 "its port";
    SOURCE_DOMAIN "source.domain" Text "its name";
    SOURCE_BYTES "source.bytes" U64 "bytes sent by the source";
    SOURCE_PACKETS "source.packets" U64 "packets sent by the source";
    SOURCE_GEO_COUNTRY "source.geo.country_iso_code" Text "country of the source, ISO 3166-1 alpha-2";
    SOURCE_GEO_CITY "source.geo.city_name" Text "city of the source";
    SOURCE_AS_NUMBER "source.as.number" U32 "autonomous system of the source";
    SOURCE_AS_ORG "source.as.organization.name" Text "its organisation";
    DESTINATION_IP "destination.ip" Ip "the address it went to";
    DESTINATION_PORT "destination.port" U16 "its port";
    DESTINATION_DOMAIN "destination.domain" Text "its name";
    DESTINATION_BYTES "destination.bytes" U64 "bytes sent by the destination";
    DESTINATION_PACKETS "destination.packets" U64 "packets sent by the destination";
    DESTINATION_GEO_COUNTRY "destination.geo.country_iso_code" Text "country of the destination, ISO 3166-1 alpha-2";
    DESTINATION_GEO_CITY "destination.geo.city_name" Text "city of the destination";
    DESTINATION_AS_NUMBER "destination.as.number" U32 "autonomous system of the destination";
    DESTINATION_AS_ORG "destination.as.organization.name" Text "its organisation";
    NETWORK_TRANSPORT "network.transport" Text "tcp, udp, icmp …";
    NETWORK_PROTOCOL "network.protocol" Text "ssh, http, dns, modbus …";
    NETWORK_DIRECTION "network.direction" Text "ingress, egress, internal …";
    NETWORK_BYTES "network.bytes" U64 "bytes in both directions";
    PROCESS_NAME "process.name" Text "program name";
    PROCESS_PID "process.pid" U32 "process id";
    PROCESS_EXECUTABLE "process.executable" Text "path of the program";
    PROCESS_COMMAND_LINE "process.command_line" Text "the whole command line";
    PROCESS_WORKING_DIRECTORY "process.working_directory" Text "its working directory";
    PROCESS_PARENT_NAME "process.parent.name" Text "program name of the parent";
    PROCESS_PARENT_PID "process.parent.pid" U32 "process id of the parent";
    PROCESS_PARENT_EXECUTABLE "process.parent.executable" Text "path of the parent";
    PROCESS_PARENT_COMMAND_LINE "process.parent.command_line" Text "the parent's command line";
    PROCESS_HASH_MD5 "process.hash.md5" Text "MD5 of the program";
    PROCESS_HASH_SHA1 "process.hash.sha1" Text "SHA-1 of the program";
    PROCESS_HASH_SHA256 "process.hash.sha256" Text "SHA-256 of the program";
    PROCESS_HASH_IMPHASH "process.hash.imphash" Text "import hash of the program";
    PROCESS_PE_ORIGINAL_FILE_NAME "process.pe.original_file_name" Text "file name in the program's version resource";
    FILE_PATH "file.path" Text "path of the file";
    FILE_NAME "file.name" Text "name of the file";
    FILE_HASH_SHA256 "file.hash.sha256" Text "SHA-256 of the file";
    REGISTRY_PATH "registry.path" Text "path of the registry key";
    REGISTRY_VALUE "registry.value" Text "name of the registry value";
    REGISTRY_DATA_STRINGS "registry.data.strings" TextList "content of the registry value";
    HTTP_REQUEST_METHOD "http.request.method" Text "GET, POST …";
    HTTP_REQUEST_REFERRER "http.request.referrer" Text "the Referer header";
    HTTP_RESPONSE_STATUS "http.response.status_code" U16 "HTTP status";
    HTTP_RESPONSE_BYTES "http.response.body.bytes" U64 "bytes of the response body";
    URL_ORIGINAL "url.original" Text "the request target as it came";
    URL_PATH "url.path" Text "its path, percent-decoded once";
    URL_QUERY "url.query" Text "its query, percent-decoded once";
    URL_DOMAIN "url.domain" Text "the host asked for";
    USER_AGENT "user_agent.original" Text "the User-Agent header";
    DNS_QUESTION_NAME "dns.question.name" Text "the name asked for";
    DNS_QUESTION_TYPE "dns.question.type" Text "A, AAAA, TXT …";
    THREAT_INDICATOR_TYPE "threat.indicator.type" Text "kind of the indicator hit";
    THREAT_INDICATOR_PROVIDER "threat.indicator.provider" Text "list the indicator came from";
    THREAT_TECHNIQUE_ID "threat.technique.id" TextList "ATT&CK techniques";
    DEVICE_ID "device.id" Text "OT: the device";
    DEVICE_TYPE "device.type" Text "OT: plc, scada, sensor or ecu";
    DEVICE_ZONE "device.zone" Text "OT: its zone";
    RULE_ID "rule.id" Text "alerts as events: the alert's rule";
    RULE_NAME "rule.name" Text "alerts as events: the rule's name";
    RULE_SEVERITY "rule.severity" Text "alerts as events: informational, low, medium, high, critical";
    RULE_TACTIC "rule.tactic" TextList "alerts as events: ATT&CK tactics";
    RISK_SCORE "risk" I64 "alerts as events: the rule's risk points";
}

/// The prefix under which every value without a column is found.
pub const EXTRA_PREFIX: &str = "fields.";

impl FieldId {
    /// The table row.
    pub fn field(self) -> &'static Field {
        &TABLE[self.0 as usize]
    }

    /// Dotted name.
    pub fn name(self) -> &'static str {
        self.field().name
    }

    /// Type.
    pub fn ty(self) -> Type {
        self.field().ty
    }
}

/// A column of the field table, or a `fields.*` value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldRef {
    /// A column.
    Column(FieldId),
    /// `fields.<name>`, always text.
    Extra(Arc<str>),
}

impl FieldRef {
    /// Its dotted name.
    pub fn name(&self) -> String {
        match self {
            FieldRef::Column(id) => id.name().to_owned(),
            FieldRef::Extra(name) => format!("{EXTRA_PREFIX}{name}"),
        }
    }

    /// Its type.
    pub fn ty(&self) -> Type {
        match self {
            FieldRef::Column(id) => id.ty(),
            FieldRef::Extra(_) => Type::Text,
        }
    }
}

/// All fields in table order.
pub fn all() -> impl Iterator<Item = FieldId> {
    (0..COUNT as u16).map(FieldId)
}

/// The field of this dotted name (`ts` is an alias of `@timestamp`), `None` when there is no such column.
pub fn by_name(name: &str) -> Option<FieldId> {
    use std::sync::LazyLock;
    static INDEX: LazyLock<rustc_hash::FxHashMap<&'static str, FieldId>> = LazyLock::new(|| {
        let mut index: rustc_hash::FxHashMap<_, _> = all().map(|id| (id.name(), id)).collect();
        index.insert("ts", TIMESTAMP);
        index
    });
    INDEX.get(name).copied()
}

/// Whether this is the name of a field, be it one without a column.
pub fn is_known(name: &str) -> bool {
    by_name(name).is_some() || name.starts_with(EXTRA_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for id in all() {
            assert_eq!(by_name(id.name()), Some(id));
        }
        assert_eq!(by_name("ts"), Some(TIMESTAMP));
        assert_eq!(by_name("source.adress"), None);
    }
}
