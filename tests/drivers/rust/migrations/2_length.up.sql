alter table ships add column length numeric;
create index ships_length on ships (length);
insert into ships values (1, 'Möwe', 12.5);
