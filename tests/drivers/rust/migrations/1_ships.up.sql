create table ships (id int primary key, name text not null);
