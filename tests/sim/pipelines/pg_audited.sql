-- Tables that are there already.
create table kept (id text, "user" text, amount bigint);
insert into kept values ('old', 'eve', 1);
create table users ("user" text primary key, n bigint, total bigint);
insert into users values ('eve', 1, 1);
create table amounts (item text, amount bigint, more text);
insert into amounts values ('old', 1, 'more');
