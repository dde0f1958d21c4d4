create table people (name text primary key, age int, city varchar(10));
insert into people values ('ann', 30, 'Bern'), ('bob', 41, null), ('dan', 7, 'Ulm');
