create table users (part smallint, id int, name text not null, city varchar(20), born date,
  seen timestamptz, paid numeric(10,2), rate float8, good boolean, note jsonb, raw bytea,
  primary key (part, id));
insert into users
with recursive numbers(i) as (select 1 union all select i + 1 from numbers where i < 200)
select i % 3, i, 'name ' || i, case when i % 5 = 0 then null else 'city ' || (i % 7) end,
  ('1990-01-0' || (1 + i % 9))::date, ('2024-01-01 10:00:0' || (i % 10) || '.5Z')::timestamptz,
  i * 1.25, i / 8.0, i % 2 = 0, ('{"i": ' || i || '}')::jsonb, null
from numbers;
