alter table ships drop column length;
