create table strict (id varchar(3) primary key, small smallint not null check (small <> 9000),
  name varchar(6) check (name <> 'bobbob'), since timestamptz default '2024-01-01T00:00:00Z');
create table strict_too (id text primary key, small int check (small <> 9000), name varchar(6));
insert into strict (id, small) values ('o7', 1);
