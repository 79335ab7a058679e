-- The archive as two views. Say first where it is: a folder, or, once `INSTALL httpfs; LOAD httpfs;` and credentials
-- are there, the bucket itself:
--
--     SET VARIABLE archive = 's3://<archive bucket>';
--
-- A query that names tenant, dt and hh opens only the files that it needs.

CREATE OR REPLACE VIEW events AS
SELECT *
FROM read_json(
    getvariable('archive') || '/events/*/*/*/*.jsonl.zst',
    format = 'newline_delimited',
    compression = 'zstd',
    hive_partitioning = true,
    hive_types = {tenant: VARCHAR, dt: DATE, hh: INTEGER},
    columns = {
        pbeventid: 'UUID',
        id: 'VARCHAR',
        source: 'VARCHAR',
        type: 'VARCHAR',
        subject: 'VARCHAR',
        time: 'VARCHAR',
        correlationid: 'VARCHAR',
        causationid: 'VARCHAR',
        pboutbox: 'VARCHAR',
        data: 'JSON',
        data_base64: 'VARCHAR'
    }
);

CREATE OR REPLACE VIEW receipts AS
SELECT *
FROM read_json(
    getvariable('archive') || '/receipts/*/*/*/*.jsonl.zst',
    format = 'newline_delimited',
    compression = 'zstd',
    hive_partitioning = true,
    hive_types = {tenant: VARCHAR, dt: DATE, hh: INTEGER},
    columns = {
        event_id: 'UUID',
        type: 'VARCHAR',
        subscriptions: 'VARCHAR[]',
        withheld: 'VARCHAR[]',
        handed_over_at: 'TIMESTAMP'
    }
);
